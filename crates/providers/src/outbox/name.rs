//! File names for recipients.

use std::fmt::Write as _;

use depeche_core::address::RecipientKey;

/// The name of the file for a recipient: `ana.silva@journal.example.eml`.
///
/// The same key gives the same name, and different keys different names, on file systems that do not
/// tell capital letters apart too (a key has none). Characters that some system forbids are written
/// as `%` and two hexadecimal digits; what would be longer than 120 characters is cut and gets the
/// key's SHA-256 (first 16 digits).
///
/// ```
/// use depeche_core::address::EmailAddress;
/// use depeche_providers::outbox::file_name;
///
/// let key = EmailAddress::parse("Ana.Silva@journal.example").unwrap().key();
/// assert_eq!(file_name(&key), "ana.silva@journal.example.eml");
/// ```
#[must_use]
pub fn file_name(key: &RecipientKey) -> String {
    let mut name = String::with_capacity(key.as_str().len() + 4);
    for (index, character) in key.as_str().chars().enumerate() {
        if is_plain(character, index == 0) {
            name.push(character);
        } else {
            escape(&mut name, character);
        }
    }
    let is_device = DEVICES.contains(&name.split('.').next().unwrap_or_default());
    if is_device {
        name.insert(0, '_');
    }
    if name.chars().count() > MOST - EXTENSION.len() {
        name = shortened(&name, key);
    }
    name + EXTENSION
}

/// What every file system takes anywhere in a name. `_` is escaped nowhere, `%` always: so no two
/// keys meet. A dot or a hyphen in front hides a file or looks like an option.
fn is_plain(character: char, is_first: bool) -> bool {
    match character {
        '.' | '-' => !is_first,
        // `_` in front is what marks a device's name.
        '_' => !is_first,
        '@' | '+' | '=' => true,
        _ => character.is_ascii_lowercase() || character.is_ascii_digit(),
    }
}

fn escape(name: &mut String, character: char) {
    let mut bytes = [0; 4];
    for byte in character.encode_utf8(&mut bytes).bytes() {
        write!(name, "%{byte:02x}").expect("a String takes every text");
    }
}

fn shortened(name: &str, key: &RecipientKey) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_str().as_bytes());
    let mut short: String = name.chars().take(MOST - EXTENSION.len() - 17).collect();
    // The tilde is in no name that was not cut: it would have been escaped.
    short.push('~');
    for byte in &digest.as_ref()[..8] {
        write!(short, "{byte:02x}").expect("a String takes every text");
    }
    short
}

const MOST: usize = 120;
const EXTENSION: &str = ".eml";
/// Names that Windows reserves, with any extension.
const DEVICES: &[&str] = &[
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(key: &str) -> String {
        file_name(&RecipientKey::from_stored(key.to_owned()))
    }

    #[test]
    fn names_are_legal_on_every_system() {
        let table = [
            ("ana@journal.example", "ana@journal.example.eml"),
            ("\"a b\"@journal.example", "%22a%20b%22@journal.example.eml"),
            ("a/../../b@journal.example", "a%2f..%2f..%2fb@journal.example.eml"),
            ("jos\u{e9}@journal.example", "jos%c3%a9@journal.example.eml"),
            ("con.a@journal.example", "_con.a@journal.example.eml"),
            ("-rf@journal.example", "%2drf@journal.example.eml"),
            ("50%25@journal.example", "50%2525@journal.example.eml"),
        ];
        for (key, expected) in table {
            assert_eq!(name(key), expected);
        }
    }

    proptest! {
        #[test]
        fn different_recipients_have_different_files(
            one in "[ -~\u{e0}-\u{ff}]{1,90}@[a-z]{1,120}\\.example",
            other in "[ -~\u{e0}-\u{ff}]{1,90}@[a-z]{1,120}\\.example",
        ) {
            let (one, other) = (one.to_lowercase(), other.to_lowercase());
            let (first, second) = (name(&one), name(&other));
            prop_assert_eq!(one == other, first == second);
            prop_assert!(first.len() <= 120 && first.is_ascii());
            prop_assert!(!first.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*', ' ', '\0']));
            prop_assert!(!first.starts_with(['.', '-']));
        }
    }
}
