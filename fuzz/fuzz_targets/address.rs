//! Any text is an address or is refused; an address holds no control character and is the same when read again.
#![no_main]

use depeche_core::address::EmailAddress;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(address) = EmailAddress::parse(text) else { return };
    let written = address.to_string();
    assert!(!written.chars().any(char::is_control), "{written:?}");
    let again = EmailAddress::parse(&written).expect("what was written is an address");
    assert_eq!(again.key(), address.key());
    assert!(address.domain().contains('.'), "{written}");
});
