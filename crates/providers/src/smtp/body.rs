//! A message on the wire: what is refused, the added dots, and the terminator apart.
//!
//! The last write, and only it, holds bytes of the terminator `CR LF . CR LF`. The CR LF that ends
//! the last line of the message belongs to it and is held back (RFC 5321, section 4.1.1.4: the first
//! CRLF of the terminator is also the end of the last line). Until that write is offered to the
//! stream the message cannot be complete at the server, and a failure is proof of that.

use depeche_core::message::Mime;

/// The end of the message; offered in one write of its own.
pub(super) const TERMINATOR: &[u8] = b"\r\n.\r\n";

/// Why a message must not go over SMTP. Nothing that depeche builds has any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// A CR without LF or an LF without CR: the way of smuggling (RFC 5321, section 2.3.8).
    #[error("octet {0} of the message is a bare CR or LF")]
    BareLineBreak(usize),
    /// NUL is no character of a message (RFC 2045, section 2.8; RFC 6152).
    #[error("octet {0} of the message is NUL")]
    Nul(usize),
    /// A line over 998 octets (RFC 5322, section 2.1.1).
    #[error("the line that ends at octet {0} of the message is over 998 octets long")]
    LongLine(usize),
}

/// What the dialogue must know of a message before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nature {
    /// Octets as RFC 1870 counts them: with line ends, without added dots and terminator.
    pub(super) size_bytes: u64,
    /// Whether there is an octet over 127 in the header section.
    pub(super) has_8bit_header: bool,
    /// Whether the last line has its CR LF.
    is_line_ended: bool,
}

/// Reads the whole message once.
pub(super) fn examine(mime: &Mime) -> Result<Nature, Unfit> {
    let mut reading = Reading::default();
    for segment in &mime.segments {
        reading.take(segment)?;
    }
    reading.end()
}

/// Where reading a message stands, between two of its segments.
#[derive(Default)]
struct Reading {
    /// Octets read.
    length: usize,
    /// Octets of the current line, without its line end.
    line: usize,
    after_cr: bool,
    is_line_ended: bool,
    in_body: bool,
    has_8bit_header: bool,
}

impl Reading {
    fn take(&mut self, segment: &[u8]) -> Result<(), Unfit> {
        let mut from = 0;
        for at in memchr::memchr3_iter(b'\r', b'\n', 0, segment) {
            self.plain(&segment[from..at])?;
            let index = self.length + (at - from);
            match segment[at] {
                b'\n' if self.after_cr => {
                    self.in_body |= self.line == 0;
                    (self.line, self.after_cr, self.is_line_ended) = (0, false, true);
                }
                b'\n' => return Err(Unfit::BareLineBreak(index)),
                0 => return Err(Unfit::Nul(index)),
                _ if self.after_cr => return Err(Unfit::BareLineBreak(index - 1)),
                _ => (self.after_cr, self.is_line_ended) = (true, false),
            }
            self.length = index + 1;
            from = at + 1;
        }
        self.plain(&segment[from..])?;
        self.length += segment.len() - from;
        Ok(())
    }

    /// Octets that are no line end and no NUL; `length` is where they begin.
    fn plain(&mut self, run: &[u8]) -> Result<(), Unfit> {
        if run.is_empty() {
            return Ok(());
        }
        if self.after_cr {
            return Err(Unfit::BareLineBreak(self.length - 1));
        }
        if self.line + run.len() > MAX_LINE {
            return Err(Unfit::LongLine(self.length + MAX_LINE - self.line));
        }
        self.line += run.len();
        self.is_line_ended = false;
        self.has_8bit_header |= !self.in_body && !run.is_ascii();
        Ok(())
    }

    fn end(self) -> Result<Nature, Unfit> {
        if self.after_cr {
            return Err(Unfit::BareLineBreak(self.length - 1));
        }
        let size_bytes = self.length as u64 + if self.is_line_ended { 0 } else { 2 };
        let Self { has_8bit_header, is_line_ended, .. } = self;
        Ok(Nature { size_bytes, has_8bit_header, is_line_ended })
    }
}

/// The message with its added dots and without its terminator, in pieces for writing.
pub(super) struct Stuffed<'a> {
    segments: std::slice::Iter<'a, bytes::Bytes>,
    current: &'a [u8],
    /// Octets of the message that are still to come.
    left: usize,
    at_line_start: bool,
    piece: Vec<u8>,
}

impl<'a> Stuffed<'a> {
    /// `nature` is what [`examine`] said of the same message.
    pub(super) fn new(mime: &'a Mime, nature: &Nature) -> Self {
        let length: usize = mime.segments.iter().map(bytes::Bytes::len).sum();
        let held_back = if nature.is_line_ended { 2 } else { 0 };
        Self {
            segments: mime.segments.iter(),
            current: &[],
            left: length - held_back,
            at_line_start: true,
            piece: Vec::with_capacity((length + length / 16).min(PIECE + PIECE / 16)),
        }
    }

    /// The next piece, of about 64 KiB; `None` when the terminator is due.
    pub(super) fn next_piece(&mut self) -> Option<&[u8]> {
        self.piece.clear();
        while self.left > 0 && self.piece.len() < PIECE {
            if self.current.is_empty() {
                self.current = self.segments.next().expect("`left` counts what the segments hold");
                continue;
            }
            let step = self.current.len().min(self.left).min(PIECE);
            let (now, later) = self.current.split_at(step);
            let mut from = 0;
            for dot in memchr::memchr_iter(b'.', now) {
                // RFC 5321, section 4.5.2: a line that begins with a dot gets one more.
                let is_first = if dot == 0 { self.at_line_start } else { now[dot - 1] == b'\n' };
                if is_first {
                    self.piece.extend_from_slice(&now[from..dot]);
                    self.piece.push(b'.');
                    from = dot;
                }
            }
            self.piece.extend_from_slice(&now[from..]);
            self.at_line_start = now.last() == Some(&b'\n');
            self.current = later;
            self.left -= step;
        }
        (!self.piece.is_empty()).then_some(&self.piece)
    }
}

const PIECE: usize = 64 * 1024;
const MAX_LINE: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn mime(segments: &[&[u8]]) -> Mime {
        let segments: Vec<Bytes> = segments.iter().map(|segment| Bytes::copy_from_slice(segment)).collect();
        Mime { segments, is_8bit: false }
    }

    fn wire(mime: &Mime) -> Vec<u8> {
        let nature = examine(mime).unwrap();
        let mut stuffed = Stuffed::new(mime, &nature);
        let mut all = Vec::new();
        while let Some(piece) = stuffed.next_piece() {
            all.extend_from_slice(piece);
        }
        all.extend_from_slice(TERMINATOR);
        all
    }

    #[test]
    fn dots_at_line_starts_are_doubled_across_segments() {
        let table: [(&[&[u8]], &[u8]); 6] = [
            (&[b"a\r\n"], b"a\r\n.\r\n"),
            (&[b"a"], b"a\r\n.\r\n"),
            (&[b".\r\n"], b"..\r\n.\r\n"),
            (&[b"a\r\n", b".b\r", b"\n..\r\n"], b"a\r\n..b\r\n...\r\n.\r\n"),
            (&[b"a.b\r\n\r\n"], b"a.b\r\n\r\n.\r\n"),
            (&[b"", b"a\r", b"", b"\n"], b"a\r\n.\r\n"),
        ];
        for (segments, expected) in table {
            assert_eq!(wire(&mime(segments)), expected, "{segments:?}");
        }
    }

    #[test]
    fn bare_line_breaks_nul_and_long_lines_are_refused() {
        assert_eq!(examine(&mime(&[b"a\nb\r\n"])), Err(Unfit::BareLineBreak(1)));
        assert_eq!(examine(&mime(&[b"a\rb\r\n"])), Err(Unfit::BareLineBreak(1)));
        assert_eq!(examine(&mime(&[b"a\r", b"b"])), Err(Unfit::BareLineBreak(1)));
        assert_eq!(examine(&mime(&[b"a\r\r\n"])), Err(Unfit::BareLineBreak(1)));
        assert_eq!(examine(&mime(&[b"a\r"])), Err(Unfit::BareLineBreak(1)));
        assert_eq!(examine(&mime(&[b"\n.\r\n"])), Err(Unfit::BareLineBreak(0)));
        assert_eq!(examine(&mime(&[b"a\0b\r\n"])), Err(Unfit::Nul(1)));
        let fits = [&b"a".repeat(998)[..], b"\r\n"].concat();
        assert!(examine(&mime(&[&fits])).is_ok());
        assert_eq!(examine(&mime(&[b"a", &fits])), Err(Unfit::LongLine(998)));
    }

    #[test]
    fn only_the_header_section_decides_on_smtputf8() {
        let nature = |text: &str| examine(&mime(&[text.as_bytes()])).unwrap();
        assert!(nature("Subject: \u{e9}t\u{e9}\r\n\r\na\r\n").has_8bit_header);
        assert!(!nature("Subject: a\r\n\r\n\u{e9}t\u{e9}\r\n").has_8bit_header);
        assert_eq!(nature("a: b\r\n\r\nc\r\n").size_bytes, 11);
        assert_eq!(nature("a: b\r\n\r\nc").size_bytes, 11);
    }

    /// The rules of [`examine`], octet by octet.
    fn examine_slowly(mime: &Mime) -> Result<Nature, Unfit> {
        let mut line = 0;
        let mut before = 0;
        let mut in_header = true;
        let mut has_8bit_header = false;
        let mut length = 0;
        for (index, byte) in mime.segments.iter().flat_map(|segment| segment.iter().copied()).enumerate() {
            match byte {
                0 => return Err(Unfit::Nul(index)),
                b'\n' if before != b'\r' => return Err(Unfit::BareLineBreak(index)),
                b'\n' => {
                    in_header &= line != 1;
                    line = 0;
                }
                _ if before == b'\r' => return Err(Unfit::BareLineBreak(index - 1)),
                _ => {
                    line += 1;
                    if line > MAX_LINE + usize::from(byte == b'\r') {
                        return Err(Unfit::LongLine(index));
                    }
                }
            }
            has_8bit_header |= in_header && byte > 127;
            before = byte;
            length = index + 1;
        }
        if before == b'\r' {
            return Err(Unfit::BareLineBreak(length - 1));
        }
        let is_line_ended = before == b'\n';
        let size_bytes = length as u64 + if is_line_ended { 0 } else { 2 };
        Ok(Nature { size_bytes, has_8bit_header, is_line_ended })
    }

    proptest! {
        #[test]
        fn a_message_is_judged_as_octet_by_octet(
            pieces in prop::collection::vec("[a\u{e9}]{0,3}|\r\n|\r\n\r\n|\r|\n|\u{0}|a{500}", 0..12),
            cut in 0usize..400
        ) {
            let whole = pieces.concat().into_bytes();
            let (first, second) = whole.split_at(cut.min(whole.len()));
            let mime = mime(&[first, second]);
            prop_assert_eq!(examine(&mime), examine_slowly(&mime));
        }

        /// Taking the dots out again (RFC 5321, section 4.5.2) gives the message, and no line of it
        /// is the terminator.
        #[test]
        fn the_wire_form_can_always_be_undone(
            lines in prop::collection::vec("[.a-c]{0,6}", 0..40),
            cuts in prop::collection::vec(0usize..200, 0..6)
        ) {
            let whole: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            at.extend([0, whole.len()]);
            at.sort_unstable();
            let parts: Vec<&[u8]> = at.windows(2).map(|pair| &whole.as_bytes()[pair[0]..pair[1]]).collect();

            let sent = String::from_utf8(wire(&mime(&parts))).unwrap();

            let mut got: Vec<&str> = sent.split("\r\n").collect();
            prop_assert_eq!(got.pop(), Some(""));
            prop_assert_eq!(got.pop(), Some("."));
            prop_assert!(!got.contains(&"."));
            let undone: Vec<&str> = got.iter().map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            // An empty message is one empty line on the wire.
            let expected: Vec<&str> = if lines.is_empty() { vec![""] } else { lines.iter().map(String::as_str).collect() };
            prop_assert_eq!(undone, expected);
        }
    }
}
