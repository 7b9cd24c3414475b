//! SMTP replies: a capped reader, and the little that the rest needs to know of a reply.
//!
//! Strict where a mistake would be taken for a yes: a line ends in CR LF, a code is three digits in
//! the ranges of RFC 5321 (section 4.2), all lines of a reply carry the same code. Anything else is
//! garbage, never half a reply. A line has 2 KiB at most and a reply 64 KiB (DELIVERY.md); the RFC
//! itself promises 512 octets a line (section 4.5.3.1.5).

use std::fmt;

use bytes::BytesMut;
use depeche_core::text::is_unsafe;

/// One complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    lines: Vec<String>,
}

/// An enhanced status code, `5.1.1` (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u16,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

/// What came is not a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// A line over 2 KiB or a reply over 64 KiB.
    #[error("the answer is too long")]
    TooLong,
    /// Not the form of a reply.
    #[error("the answer is no SMTP reply: {0}")]
    Garbage(String),
}

/// Puts replies together from the bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Option<u16>,
    lines: Vec<String>,
    octets: usize,
}

impl Reply {
    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The first digit.
    #[must_use]
    pub fn class(&self) -> u16 {
        self.code / 100
    }

    /// An explicit yes: any 2yz but 221, which says that the line is being closed.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        self.class() == 2 && self.code != 221
    }

    /// An explicit no, for now (4yz) or for good (5yz).
    #[must_use]
    pub fn is_no(&self) -> bool {
        matches!(self.class(), 4 | 5)
    }

    /// The texts of all lines, joined, without the codes.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// The texts of the lines, without the codes.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The same reply with every one of `secrets` taken out: some servers repeat the command that
    /// they did not understand, and a reply is stored and shown.
    pub(super) fn without(mut self, secrets: &[&str]) -> Self {
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            for line in &mut self.lines {
                *line = line.replace(secret, "…");
            }
        }
        self
    }

    /// The enhanced code, when there is one whose class agrees with the reply's (RFC 2034, section
    /// 4). qmail writes it in brackets, `(#5.7.1)`; that form counts when no line begins with one.
    #[must_use]
    pub fn enhanced(&self) -> Option<Enhanced> {
        let leading = self.lines.iter().filter_map(|line| line.split_whitespace().next());
        let bracketed = self.lines.iter().flat_map(|line| line.split('#').skip(1));
        leading
            .filter_map(Enhanced::parse)
            .chain(bracketed.filter_map(Enhanced::parse_prefix))
            .find(|enhanced| enhanced.class == self.class())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text())
    }
}

impl Enhanced {
    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('.');
        let mut part = || {
            let digits = parts.next()?;
            let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            if fits { digits.parse::<u16>().ok() } else { None }
        };
        let enhanced = Self { class: part()?, subject: part()?, detail: part()? };
        (parts.next().is_none() && matches!(enhanced.class, 2 | 4 | 5)).then_some(enhanced)
    }

    fn parse_prefix(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        Self::parse(&text[..end])
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Assembler {
    /// Takes complete lines out of `buffer`; gives the reply when its last line is there.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Reply>, BadReply> {
        loop {
            let Some(end) = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
                let is_full = buffer.len() >= MAX_LINE || self.octets + buffer.len() > MAX_REPLY;
                return if is_full { Err(BadReply::TooLong) } else { Ok(None) };
            };
            let line = buffer.split_to(end + 1);
            self.octets += line.len();
            if self.octets > MAX_REPLY {
                return Err(BadReply::TooLong);
            }
            if self.line(&line)? {
                let done = std::mem::take(self);
                let code = done.code.expect("set by `line` before it says that the reply is whole");
                return Ok(Some(Reply { code, lines: done.lines }));
            }
        }
    }

    /// Whether part of a reply has been taken.
    pub(super) fn is_between_lines(&self) -> bool {
        self.code.is_some()
    }

    /// Adds one line; true when it is the last.
    fn line(&mut self, line: &[u8]) -> Result<bool, BadReply> {
        let garbage = || BadReply::Garbage(String::from_utf8_lossy(line).chars().take(200).collect());
        let text = line.strip_suffix(b"\r\n").ok_or_else(garbage)?;
        let code = code(text).ok_or_else(garbage)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(garbage());
        }
        self.code = Some(code);
        let (is_last, rest) = match text.get(3) {
            // RFC 5321, section 4.2: a reply may be the bare code.
            None => (true, &text[3..]),
            Some(b' ') => (true, &text[4..]),
            Some(b'-') => (false, &text[4..]),
            Some(_) => return Err(garbage()),
        };
        // A reply is stored, logged and shown: what could steer a terminal or break a line stays out.
        let shown = |c| if is_unsafe(c) { ' ' } else { c };
        self.lines.push(String::from_utf8_lossy(rest).chars().map(shown).collect());
        Ok(is_last)
    }
}

/// RFC 5321, section 4.2: `Reply-code = %x32-35 %x30-35 %x30-39`.
fn code(text: &[u8]) -> Option<u16> {
    let digits = text.get(..3)?;
    let in_range = (b'2'..=b'5').contains(&digits[0])
        && (b'0'..=b'5').contains(&digits[1])
        && digits[2].is_ascii_digit();
    let value = digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit.wrapping_sub(b'0')));
    in_range.then_some(value)
}

/// One reply from its text, for tables and tests; lines end in CR LF.
///
/// # Errors
///
/// [`BadReply`] when the text is not exactly one complete reply.
pub fn parse_reply(text: &str) -> Result<Reply, BadReply> {
    let mut buffer = BytesMut::from(text.as_bytes());
    let reply = Assembler::default().take(&mut buffer)?;
    reply.filter(|_| buffer.is_empty()).ok_or_else(|| BadReply::Garbage(text.chars().take(200).collect()))
}

/// Shorter ones would take ordinary words apart, and are guessed in a moment anyway.
const SHORTEST_SECRET: usize = 3;

/// DELIVERY.md, "Security that belongs to delivery".
const MAX_LINE: usize = 2 * 1024;
const MAX_REPLY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reply_of_several_lines_is_one_reply() {
        // RFC 5321, section 4.2.1, with its own example of a multi-line reply.
        let reply = parse_reply("250-First line\r\n250-Second line\r\n250-234 Text beginning with numbers\r\n250 The last line\r\n").unwrap();

        assert_eq!(reply.code(), 250);
        assert_eq!(reply.lines().count(), 4);
        assert!(reply.is_yes());
    }

    /// Found by `fuzz/fuzz_targets/smtp_reply.rs` on 2026-11-27: `provider test` showed a greeting as the
    /// server wrote it.
    #[test]
    fn a_reply_holds_no_control_character() {
        let reply = parse_reply("220 mx\u{1b}[2J ready\rnow\u{202e}\r\n").unwrap();

        assert_eq!(reply.text(), "mx [2J ready now ");
    }

    #[test]
    fn the_bare_code_is_a_reply() {
        assert_eq!(parse_reply("250\r\n").unwrap().to_string(), "250 ");
    }

    #[test]
    fn what_is_no_reply_is_garbage_and_never_half_a_reply() {
        for text in [
            "250 ok\n",
            "25 ok\r\n",
            "2500 ok\r\n",
            "650 ok\r\n",
            "150 ok\r\n",
            "290 ok\r\n",
            "\r\n",
            "ok\r\n",
            "250-ok\r\n550 no\r\n",
            "250_ok\r\n",
            " 250 ok\r\n",
            "250 ok\r\n250 ok\r\n",
            "250-ok\r\n",
            "250 ok",
        ] {
            assert!(parse_reply(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_reply_is_put_together_from_single_bytes() {
        let mut assembler = Assembler::default();
        let mut buffer = BytesMut::new();
        let mut replies = Vec::new();

        for byte in b"250-a\r\n250 b\r\n354 go\r\n" {
            buffer.extend_from_slice(&[*byte]);
            replies.extend(assembler.take(&mut buffer).unwrap());
        }

        let codes: Vec<u16> = replies.iter().map(Reply::code).collect();
        assert_eq!(codes, [250, 354]);
    }

    #[test]
    fn a_line_over_2_kib_and_a_reply_over_64_kib_are_refused() {
        let line = |length: usize| format!("250 {}\r\n", "a".repeat(length - 6));
        assert!(parse_reply(&line(2048)).is_ok());
        assert_eq!(parse_reply(&line(2049)), Err(BadReply::TooLong));
        // Not even ended: it is refused as soon as it is too long.
        assert_eq!(parse_reply(&"a".repeat(2048)), Err(BadReply::TooLong));
        let endless = "250-and on\r\n".repeat(64 * 1024 / 12 + 1);
        assert_eq!(parse_reply(&endless), Err(BadReply::TooLong));
    }

    #[test]
    fn the_enhanced_code_is_found_where_servers_write_it() {
        let table = [
            ("550 5.1.1 no such user\r\n", Some((5, 1, 1))),
            ("421-4.7.28 unusual rate\r\n421 4.7.28 see help\r\n", Some((4, 7, 28))),
            ("550 sorry, too many emails (#5.7.1)\r\n", Some((5, 7, 1))),
            ("550 4.1.1 class differs\r\n", None),
            ("550 no such user\r\n", None),
            ("550 5.1 short\r\n", None),
            ("550 192.0.2.1 is listed\r\n", None),
            ("450 4.7.1000 no\r\n", None),
        ];
        for (text, expected) in table {
            let found = parse_reply(text).unwrap().enhanced();
            assert_eq!(found.map(|e| (e.class, e.subject, e.detail)), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_hold_more_than_its_caps(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)
        ) {
            let mut assembler = Assembler::default();
            let mut buffer = BytesMut::new();
            for chunk in chunks {
                buffer.extend_from_slice(&chunk);
                match assembler.take(&mut buffer) {
                    Ok(_) => prop_assert!(assembler.octets <= MAX_REPLY),
                    Err(_) => return Ok(()),
                }
            }
        }

        #[test]
        fn every_well_formed_reply_is_read_whole(
            code in 200u16..560,
            texts in prop::collection::vec("[ -~]{0,80}", 1..6)
        ) {
            prop_assume!((code / 10) % 10 <= 5);
            let last = texts.len() - 1;
            let wire: String = texts.iter().enumerate().map(|(index, text)| {
                format!("{code}{}{text}\r\n", if index == last { ' ' } else { '-' })
            }).collect();
            let reply = parse_reply(&wire).unwrap();
            prop_assert_eq!(reply.code(), code);
            prop_assert_eq!(reply.lines().collect::<Vec<_>>(), texts);
        }
    }
}
