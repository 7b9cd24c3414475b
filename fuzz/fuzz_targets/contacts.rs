//! Any bytes are a list or an error; what is kept holds no control character, and no two of them share a key.
#![no_main]

use std::collections::HashSet;

use depeche_core::contact::{ReadOptions, Source, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(loaded) = load(vec![Source::new("fuzz.csv", data)], &ReadOptions::default()) else { return };
    let mut keys = HashSet::new();
    for contact in &loaded.contacts {
        let address = contact.address.to_string();
        assert!(!address.chars().any(char::is_control), "{address:?}");
        assert!(keys.insert(contact.address.key()), "a double was kept: {address}");
    }
});
