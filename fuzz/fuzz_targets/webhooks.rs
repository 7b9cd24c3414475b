//! Any body of a webhook is a list of events or an error.
#![no_main]

use depeche_providers::{brevo, mailchimp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(events) = brevo::webhook::events(data) {
        for event in events {
            assert!(!event.recipient.chars().any(char::is_control), "{event:?}");
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = mailchimp::webhook::events(text);
    // Nothing that a stranger sends carries our signature.
    let form = vec![("mandrill_events".to_owned(), text.to_owned())];
    assert!(!mailchimp::webhook::is_signed(
        b"a key that nobody knows",
        "https://presse.example/hook",
        &form,
        text
    ));
});
