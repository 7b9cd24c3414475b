//! Canonicalisation (RFC 6376, section 3.4): what of a message a signature speaks about.
//!
//! Ours, because mail-auth 0.13 hashes a body that ends in a line of white space as if it had one line
//! more (its bug 62), and because a verdict must name the step that failed.

use super::signature::Canonical;

/// One header field, ready to be hashed, with its final CR LF.
pub(super) fn header(raw_name: &[u8], raw_value: &[u8], how: Canonical) -> Vec<u8> {
    match how {
        Canonical::Simple => [raw_name, b":", raw_value].concat(),
        Canonical::Relaxed => {
            let mut text = trimmed(raw_name).to_ascii_lowercase();
            text.push(b':');
            text.extend(relaxed_value(raw_value));
            text.extend_from_slice(b"\r\n");
            text
        }
    }
}

/// Unfolded, runs of white space as one space, none at either end (RFC 6376, section 3.4.2).
fn relaxed_value(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    for word in raw.split(|octet| is_space(*octet) || matches!(octet, b'\r' | b'\n')) {
        if word.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
    text
}

/// The body, ready to be hashed (RFC 6376, sections 3.4.3 and 3.4.4).
pub(super) fn body(body: &[u8], how: Canonical) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len() + 2);
    for line in lines(body) {
        match how {
            Canonical::Simple => text.extend_from_slice(line),
            Canonical::Relaxed => relax_line(line, &mut text),
        }
        text.extend_from_slice(b"\r\n");
    }
    while text.ends_with(b"\r\n\r\n") {
        text.truncate(text.len() - 2);
    }
    if text == b"\r\n" {
        text.clear();
    }
    // An empty body is one CR LF when simple, and nothing when relaxed.
    if text.is_empty() && how == Canonical::Simple {
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// White space at the end of a line goes, any other run of it becomes one space.
fn relax_line(line: &[u8], into: &mut Vec<u8>) {
    let mut gap = false;
    for octet in line {
        if is_space(*octet) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            into.push(b' ');
        }
        into.push(*octet);
    }
}

/// Lines without their CR LF; a last line without one counts as a line.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = body.strip_suffix(b"\r\n").unwrap_or(body);
    let mut rest = (!body.is_empty()).then_some(whole);
    std::iter::from_fn(move || {
        let here = rest?;
        match here.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => {
                rest = here.get(end + 2..);
                here.get(..end)
            }
            None => rest.take(),
        }
    })
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6376, section 3.4.5: the worked examples.
    #[test]
    fn the_worked_examples_of_rfc_6376_come_out_as_printed() {
        let (a, b): (&[u8], &[u8]) = (b" X\r\n", b" Y\t\r\n\tZ  \r\n");
        let text: &[u8] = b" C \r\nD \t E\r\n\r\n\r\n";

        let relaxed = [header(b"A", a, Canonical::Relaxed), header(b"B ", b, Canonical::Relaxed)].concat();
        assert_eq!(relaxed, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(body(text, Canonical::Relaxed), b" C\r\nD E\r\n");
        let simple = [header(b"A", a, Canonical::Simple), header(b"B ", b, Canonical::Simple)].concat();
        assert_eq!(simple, b"A: X\r\nB : Y\t\r\n\tZ  \r\n");
        assert_eq!(body(text, Canonical::Simple), b" C \r\nD \t E\r\n");
    }

    #[test]
    fn an_empty_body_is_a_line_end_when_simple_and_nothing_when_relaxed() {
        for empty in [b"".as_slice(), b"\r\n", b"\r\n\r\n"] {
            assert_eq!(body(empty, Canonical::Simple), b"\r\n");
            assert_eq!(body(empty, Canonical::Relaxed), b"");
        }
    }

    /// The case that mail-auth 0.13 gets wrong: white space alone on the last line goes with it.
    #[test]
    fn a_last_line_of_white_space_is_an_empty_line_when_relaxed() {
        assert_eq!(body(b"a\r\n \t\r\n", Canonical::Relaxed), b"a\r\n");
        assert_eq!(body(b"a\r\n ", Canonical::Relaxed), b"a\r\n");
    }
}
