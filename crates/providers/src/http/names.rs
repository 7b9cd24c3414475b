//! Names that survive APIs which garble them.
//!
//! Brevo and Mailchimp's `messages/send` write non-ASCII header values, attachment names and some
//! display names onto the wire raw (PROVIDERS.md, sections 1.1 and 3). So headers are given to them as
//! encoded words (RFC 2047), and attachment names in ASCII.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use depeche_core::message::{Attachment, Message};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A header value in ASCII: as it is, or as encoded words (RFC 2047, section 2), parted by one blank,
/// each of at most 75 characters and holding whole characters.
#[must_use]
pub fn header_value(text: &str) -> String {
    // What looks like an encoded word would be decoded by the reader: it is encoded too.
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut chunk = String::new();
    for character in text.chars() {
        // 45 octets are 60 in base64: with `=?UTF-8?B?` and `?=` 72 characters.
        if chunk.len() + character.len_utf8() > 45 {
            words.push(encoded_word(&chunk));
            chunk.clear();
        }
        chunk.push(character);
    }
    words.push(encoded_word(&chunk));
    words.join(" ")
}

/// A display name as Brevo takes it: at most 70 characters; as an encoded word where accent and
/// special character come together (it drops such a name), or with the special characters as blanks
/// where the encoded word would be too long.
#[must_use]
pub fn display_name(name: &str) -> String {
    const MOST: usize = 70;
    let special = |c: char| "()<>[]:;@\\,.\"".contains(c);
    if !name.is_ascii() && name.contains(special) {
        let encoded = header_value(name);
        if encoded.len() <= MOST {
            return encoded;
        }
        let plain: String = name.chars().map(|c| if special(c) { ' ' } else { c }).collect();
        return plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MOST).collect();
    }
    name.chars().take(MOST).collect()
}

/// What a recipient reads of a name that goes as [`display_name`]: an encoded word is read as the name itself.
#[must_use]
pub fn shown_name(name: &str) -> String {
    let sent = display_name(name);
    if sent.starts_with("=?UTF-8?") { name.to_owned() } else { sent }
}

/// A file name in ASCII: accents are dropped, ligatures written out, and what has no Latin letters
/// becomes `_`. The extension is kept, for APIs guess the type from it.
#[must_use]
pub fn file_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for character in name.nfkd().filter(|c| !is_combining_mark(*c)) {
        match plain(character) {
            Some(text) => safe.push_str(text),
            None if character.is_ascii_graphic() && !"\"\\/<>|:*?".contains(character) => {
                safe.push(character)
            }
            None if character == ' ' => safe.push(' '),
            None => safe.push('_'),
        }
    }
    let safe = safe.trim().to_owned();
    if safe.is_empty() { "attachment".to_owned() } else { safe }
}

/// The headers by which a mail program offers to opt out (RFC 2369, section 3.2; RFC 8058, section 3.1).
#[must_use]
pub fn unsubscribe_headers(message: &Message) -> Vec<(String, String)> {
    let unsubscribe = &message.unsubscribe;
    let targets = unsubscribe.targets(&message.message_id);
    if targets.is_empty() {
        return Vec::new();
    }
    let mut headers = vec![("List-Unsubscribe".to_owned(), targets.join(", "))];
    if unsubscribe.url.is_some() {
        headers.push(("List-Unsubscribe-Post".to_owned(), "List-Unsubscribe=One-Click".to_owned()));
    }
    headers
}

/// An attachment in base64 without line breaks.
#[must_use]
pub fn base64_line(attachment: &Attachment) -> String {
    // Encoded once per run with line breaks; taking them out is cheaper than encoding again.
    let mut line = String::with_capacity(attachment.encoded.len());
    line.extend(
        attachment.encoded.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)),
    );
    line
}

fn encoded_word(chunk: &str) -> String {
    format!("=?UTF-8?B?{}?=", STANDARD.encode(chunk))
}

/// Letters that no decomposition turns into ASCII.
fn plain(character: char) -> Option<&'static str> {
    Some(match character {
        'œ' => "oe",
        'Œ' => "OE",
        'æ' => "ae",
        'Æ' => "AE",
        'ß' => "ss",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        'đ' => "d",
        'Đ' => "D",
        'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        '’' | '‘' | 'ʼ' => "'",
        '“' | '”' | '«' | '»' => "'",
        '–' | '—' | '‐' | '‑' | '−' => "-",
        '€' => "EUR",
        '№' => "No",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2047, section 2: at most 75 characters a word. The base64 was made with Python.
    #[test]
    fn a_header_value_with_accents_becomes_encoded_words() {
        assert_eq!(header_value("Été"), "=?UTF-8?B?w4l0w6k=?=");
        assert_eq!(header_value("plain"), "plain");
        let long = header_value(&"é".repeat(100));
        assert!(long.split(' ').all(|word| word.len() <= 75 && word.ends_with("?=")), "{long}");
        assert_eq!(long.split(' ').count(), 5, "45 octets hold 22 letters of two octets");
    }

    #[test]
    fn text_that_looks_encoded_is_encoded() {
        assert_eq!(header_value("=?x"), "=?UTF-8?B?PT94?=");
    }

    #[test]
    fn a_display_name_with_accent_and_comma_is_encoded_and_others_are_not() {
        assert_eq!(display_name("Martin, Zoe"), "Martin, Zoe");
        assert_eq!(display_name("Zoé Martin"), "Zoé Martin");
        assert_eq!(display_name("Martin, Zoé"), "=?UTF-8?B?TWFydGluLCBab8Op?=");
    }

    #[test]
    fn a_display_name_is_never_longer_than_seventy_characters() {
        let name = format!("Été, {}", "Rédaction ".repeat(12));

        let safe = display_name(&name);

        assert!(safe.chars().count() <= 70 && safe.starts_with("Été Rédaction"), "{safe}");
    }

    #[test]
    fn a_file_name_keeps_its_sense_in_ascii() {
        let table = [
            ("Communiqué – été 2026.pdf", "Communique - ete 2026.pdf"),
            ("Cœur d’Évry.jpg", "Coeur d'Evry.jpg"),
            ("e\u{301}te\u{301}.pdf", "ete.pdf"),
            ("photo \"une\"/deux.png", "photo _une__deux.png"),
            ("日本.pdf", "__.pdf"),
            ("ﬁche.pdf", "fiche.pdf"),
            ("", "attachment"),
        ];
        for (name, expected) in table {
            assert_eq!(file_name(name), expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_becomes_ascii(text in "\\PC{0,120}") {
            proptest::prop_assert!(file_name(&text).is_ascii());
            proptest::prop_assert!(header_value(&text).is_ascii());
            proptest::prop_assert!(display_name(&text).chars().count() <= 70);
        }
    }
}
