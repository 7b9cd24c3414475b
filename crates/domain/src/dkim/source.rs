//! A message as bytes: header fields as they came, and the body behind the first empty line.
//!
//! Line ends: CR LF as in transit; a file with bare LF is read as if it had CR LF, because mail that
//! was saved to disk usually lost them.

use std::borrow::Cow;

/// One header field, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name, as written, without white space before the colon.
    pub name: String,
    /// The whole field with its name, its folds and its final CR LF.
    pub raw: Vec<u8>,
    /// Where the value begins in `raw`: after the colon.
    value_at: usize,
}

impl Header {
    /// Everything after the colon, folds and final CR LF included.
    #[must_use]
    pub fn raw_value(&self) -> &[u8] {
        self.raw.get(self.value_at..).unwrap_or_default()
    }

    /// The name octets before the colon, as written.
    #[must_use]
    pub fn raw_name(&self) -> &[u8] {
        self.raw.get(..self.value_at.saturating_sub(1)).unwrap_or_default()
    }

    /// The value on one line, without white space around it; odd octets are shown as U+FFFD.
    #[must_use]
    pub fn value(&self) -> String {
        let text = String::from_utf8_lossy(self.raw_value());
        text.replace("\r\n", "").trim().to_owned()
    }

    /// Whether it has that name; case does not count.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The header fields, from top to bottom.
    pub headers: Vec<Header>,
    /// The body, with CR LF line ends.
    pub body: Vec<u8>,
}

impl Source {
    /// Takes a message apart. A line of the header that is no field ends the header, as mail readers do.
    #[must_use]
    pub fn parse(message: &[u8]) -> Self {
        let message = with_crlf(without_envelope_line(message));
        let mut source = Self::default();
        let mut rest: &[u8] = &message;
        loop {
            if let Some(body) = rest.strip_prefix(b"\r\n") {
                source.body = body.to_vec();
                return source;
            }
            let line = line_length(rest);
            let Some((first, after)) = rest.split_at_checked(line).filter(|(first, _)| !first.is_empty())
            else {
                return source;
            };
            match (first[0], source.headers.last_mut(), first.iter().position(|octet| *octet == b':')) {
                (b' ' | b'\t', Some(last), _) => last.raw.extend_from_slice(first),
                (_, _, Some(colon)) => {
                    let name = String::from_utf8_lossy(&first[..colon]).trim().to_owned();
                    source.headers.push(Header { name, raw: first.to_vec(), value_at: colon + 1 });
                }
                _ => {
                    source.body = rest.to_vec();
                    return source;
                }
            }
            rest = after;
        }
    }

    /// The fields of that name, from top to bottom.
    pub fn named<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Header> {
        self.headers.iter().filter(move |header| header.is(name))
    }
}

/// An mbox file begins with a line that is none of the message's. `From :` is a field (RFC 5322,
/// section 4.5.2), white space or not.
fn without_envelope_line(message: &[u8]) -> &[u8] {
    let rest = message.strip_prefix(b"From ").map(<[u8]>::trim_ascii_start);
    if rest.is_some_and(|rest| !rest.starts_with(b":")) {
        message.get(line_length(message)..).unwrap_or_default()
    } else {
        message
    }
}

fn line_length(text: &[u8]) -> usize {
    text.iter().position(|octet| *octet == b'\n').map_or(text.len(), |at| at + 1)
}

fn with_crlf(message: &[u8]) -> Cow<'_, [u8]> {
    if message.windows(2).any(|pair| pair == b"\r\n") || !message.contains(&b'\n') {
        return Cow::Borrowed(message);
    }
    let mut whole = Vec::with_capacity(message.len() + message.len() / 32);
    for octet in message {
        if *octet == b'\n' {
            whole.push(b'\r');
        }
        whole.push(*octet);
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_belong_to_their_field_and_the_body_follows_the_empty_line() {
        let source = Source::parse(b"Subject: one\n two\nFrom : a@example.org\n\nBody\n");

        assert_eq!(source.headers[0].value(), "one two");
        assert_eq!(source.headers[1].name, "From");
        assert_eq!(source.body, b"Body\r\n");
    }

    #[test]
    fn a_first_from_field_with_white_space_before_its_colon_is_no_line_of_an_mbox() {
        let names =
            |text: &[u8]| Source::parse(text).headers.into_iter().map(|one| one.name).collect::<Vec<_>>();

        assert_eq!(names(b"From : a@example.org\nSubject: x\n\n"), ["From", "Subject"]);
        assert_eq!(names(b"From \t : a@example.org\nSubject: x\n\n"), ["From", "Subject"]);
        assert_eq!(names(b"From a@example.org Fri Nov 27 10:00:00 2026\nSubject: x\n\n"), ["Subject"]);
    }
}
