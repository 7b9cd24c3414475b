//! One line of text that may stand in a message header.
//!
//! A subject, a display name or a header value is text that a stranger may have written (a
//! contact list comes from anywhere), and a line break in it becomes a new header on the wire.
//! So they are a type that cannot hold one. It refuses C0 controls, DEL, C1 controls, the line
//! and paragraph separators U+2028/9 and the bidirectional controls U+202A–E and U+2066–9.
//!
//! The rule is DELIVERY.md's ("Security that belongs to delivery"); RFC 5322, section 2.2, is why.

use std::fmt;

/// One line of text without control or direction-changing characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderText(String);

/// The text holds a character that a header must never carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("character {} at position {position} is not allowed here", describe(*.character))]
pub struct UnsafeText {
    /// The character that is refused.
    pub character: char,
    /// Where it stands, in characters, counted from 1.
    pub position: usize,
}

impl HeaderText {
    /// Takes `text` as it is.
    ///
    /// # Errors
    ///
    /// [`UnsafeText`] names the first refused character and its place.
    pub fn new(text: impl Into<String>) -> Result<Self, UnsafeText> {
        let text = text.into();
        match first_unsafe(&text) {
            Some(found) => Err(found),
            None => Ok(Self(text)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it but white space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HeaderText {
    type Error = UnsafeText;
    fn try_from(text: String) -> Result<Self, UnsafeText> {
        Self::new(text)
    }
}

impl From<HeaderText> for String {
    fn from(text: HeaderText) -> Self {
        text.0
    }
}

impl AsRef<str> for HeaderText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The first character of `text` that a header must never carry, if there is one.
#[must_use]
pub fn first_unsafe(text: &str) -> Option<UnsafeText> {
    text.chars()
        .enumerate()
        .find(|(_, character)| is_unsafe(*character))
        .map(|(index, character)| UnsafeText { character, position: index + 1 })
}

/// Whether a header must never carry `character`.
#[must_use]
pub fn is_unsafe(character: char) -> bool {
    // `is_control` is C0, DEL and C1.
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// At most `most` characters of `text`, with an ellipsis when it was longer, and with `�` for every
/// character that a header must never carry; fit to be shown in a message.
#[must_use]
pub fn excerpt(text: &str, most: usize) -> String {
    let plain = |c: char| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = text.chars().take(most).map(plain).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

fn describe(character: char) -> String {
    match character {
        '\r' => "CR (carriage return)".to_owned(),
        '\n' => "LF (line break)".to_owned(),
        '\t' => "TAB".to_owned(),
        '\0' => "NUL".to_owned(),
        other => format!("U+{:04X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_delivery_md_names_is_refused() {
        for character in [
            '\r', '\n', '\0', '\t', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}',
            '\u{2066}', '\u{2069}',
        ] {
            let refused = HeaderText::new(format!("ab{character}c")).unwrap_err();

            assert_eq!(refused, UnsafeText { character, position: 3 });
        }
    }

    /// The whole table of DELIVERY.md, and the neighbours that are ordinary.
    #[test]
    fn exactly_the_characters_of_delivery_md_are_refused() {
        for character in (0..=0x2FFF).filter_map(char::from_u32) {
            let code = u32::from(character);
            let refused = matches!(code, 0..=0x1F | 0x7F..=0x9F | 0x2028..=0x202E | 0x2066..=0x2069);

            assert_eq!(is_unsafe(character), refused, "U+{code:04X}");
        }
    }

    #[test]
    fn an_excerpt_is_short_and_safe_to_show() {
        assert_eq!(excerpt("zoé", 3), "zoé");
        assert_eq!(excerpt("a\r\n\u{202e}bcd", 5), "a���b…");
    }

    #[test]
    fn accents_and_emoji_are_ordinary_text() {
        assert_eq!(HeaderText::new("L’été à Évry 🎉").unwrap().as_str(), "L’été à Évry 🎉");
    }
}
