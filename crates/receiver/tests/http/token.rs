//! The signed token of an opt-out link.

use depeche_core::message::MessageId;
use depeche_core::secret::Secret;
use depeche_receiver::token::{DeliveryReference, KeyError, OptOutToken, TokenError, TokenKeys};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use proptest::prelude::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";
const LAST_DAY: Date = date(2027, 3, 31);

fn keys(keys: &[&str]) -> TokenKeys {
    let secrets: Vec<Secret> = keys.iter().map(|key| Secret::from(*key)).collect();
    TokenKeys::new(&secrets).unwrap()
}

fn reference() -> DeliveryReference {
    DeliveryReference::of(&MessageId::new("<5f2c@exemple.fr>").unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Computed with Python's hmac, hashlib and base64 from the form in the module's own words.
#[test]
fn a_token_has_the_form_that_is_written_down() {
    let token = OptOutToken::sign(&keys(&[KEY]), reference(), LAST_DAY);

    assert_eq!(token.as_str(), "AZdWyxiC2lVAa_hFOqUyTx4AAFGsFJFc1_g5cH6EDPR3DkIRMQ");
}

#[test]
fn a_token_names_its_delivery_until_its_last_day_is_over() {
    let keys = keys(&[KEY]);
    let token = OptOutToken::sign(&keys, reference(), LAST_DAY);

    for now in ["1970-01-01T00:00:00Z", "2026-12-03T08:00:00Z", "2027-03-31T23:59:59.999Z"] {
        assert_eq!(OptOutToken::verify(&keys, token.as_str(), at(now)), Ok(reference()), "{now}");
    }
    for now in ["2027-04-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let refused = OptOutToken::verify(&keys, token.as_str(), at(now));
        assert_eq!(refused, Err(TokenError::Expired(LAST_DAY)), "{now}");
    }
}

#[test]
fn a_token_changed_in_any_bit_is_forged() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let keys = keys(&[KEY]);
    let token = OptOutToken::sign(&keys, reference(), LAST_DAY);
    let bytes = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
    assert_eq!(bytes.len(), 37);

    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(changed);

            let refused = OptOutToken::verify(&keys, &changed, at("2026-12-03T08:00:00Z"));

            assert_eq!(refused, Err(TokenError::Forged), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn a_token_has_one_spelling_only() {
    let keys = keys(&[KEY]);
    let token = OptOutToken::sign(&keys, reference(), LAST_DAY).as_str().to_owned();
    let now = at("2026-12-03T08:00:00Z");
    // The last character carries four bits that belong to no octet: they must be 0.
    let last = token.chars().last().unwrap();
    let stray = char::from(u8::try_from(last).unwrap() + 1);
    let spellings = [
        format!("{token}=="),
        format!("{token}A"),
        format!(" {token}"),
        format!("{token}\n"),
        token[..49].to_owned(),
        format!("{}{stray}", &token[..49]),
        String::new(),
    ];

    for spelling in spellings {
        assert_eq!(OptOutToken::verify(&keys, &spelling, now), Err(TokenError::Forged), "{spelling:?}");
    }
}

#[test]
fn links_signed_with_the_key_before_hold_after_the_key_changed_and_fall_when_it_is_gone() {
    let now = at("2026-12-03T08:00:00Z");
    let token = OptOutToken::sign(&keys(&[KEY]), reference(), LAST_DAY);

    assert_eq!(OptOutToken::verify(&keys(&[OTHER, KEY]), token.as_str(), now), Ok(reference()));
    assert_eq!(OptOutToken::verify(&keys(&[OTHER]), token.as_str(), now), Err(TokenError::Forged));
    let new = OptOutToken::sign(&keys(&[OTHER, KEY]), reference(), LAST_DAY);
    assert_eq!(new, OptOutToken::sign(&keys(&[OTHER]), reference(), LAST_DAY));
}

#[test]
fn keys_that_are_no_keys_are_refused_and_never_shown() {
    assert_eq!(TokenKeys::new(&[]).unwrap_err(), KeyError::None);
    let short = TokenKeys::new(&[Secret::from(KEY), Secret::from("too short")]).unwrap_err();
    assert_eq!(short, KeyError::Short { number: 2, bytes: 9 });
    assert_eq!(format!("{:?}", keys(&[KEY])), "TokenKeys(1)");
}

#[test]
fn a_day_before_1970_is_an_expired_day() {
    let keys = keys(&[KEY]);
    let token = OptOutToken::sign(&keys, reference(), date(1969, 1, 1));

    let refused = OptOutToken::verify(&keys, token.as_str(), at("2026-12-03T08:00:00Z"));

    assert_eq!(refused, Err(TokenError::Expired(date(1970, 1, 1))));
}

proptest! {
    #[test]
    fn what_was_signed_is_read_back(bytes: [u8; 16], days in 0i32..60_000) {
        let keys = keys(&[KEY]);
        let last_day = date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let token = OptOutToken::sign(&keys, DeliveryReference(bytes), last_day);

        prop_assert_eq!(token.as_str().len(), 50);
        prop_assert!(token.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)));
        prop_assert_eq!(
            OptOutToken::verify(&keys, token.as_str(), Timestamp::UNIX_EPOCH),
            Ok(DeliveryReference(bytes))
        );
    }

    #[test]
    fn what_nobody_signed_opens_nothing(text in "\\PC{0,80}", base in "[A-Za-z0-9_-]{48,51}") {
        let keys = keys(&[KEY]);
        for text in [text, base] {
            prop_assert_eq!(OptOutToken::verify(&keys, &text, Timestamp::UNIX_EPOCH), Err(TokenError::Forged));
        }
    }
}
