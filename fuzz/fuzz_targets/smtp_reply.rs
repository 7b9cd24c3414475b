//! Any reply text is read or refused, and only a 2yz but 221 after the final dot is a yes.
#![no_main]

use depeche_providers::smtp::{Phase, classify, parse_reply};
use libfuzzer_sys::fuzz_target;

const PHASES: [Phase; 9] = [
    Phase::Banner,
    Phase::Ehlo,
    Phase::StartTls,
    Phase::Auth,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Body,
    Phase::Dot,
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(reply) = parse_reply(text) else { return };
    assert!((200..600).contains(&reply.code()), "{reply:?}");
    assert_eq!(reply.code() / 100, reply.class());
    assert!(!(reply.is_yes() && reply.is_no()));
    // RFC 3463, section 2: the class of the enhanced code, when one is read, is 2, 4 or 5.
    if let Some(enhanced) = reply.enhanced() {
        assert!([2, 4, 5].contains(&enhanced.class), "{enhanced}");
    }
    assert!(!reply.text().contains(['\r', '\n']));
    for phase in PHASES {
        let _ = classify(phase, &reply);
    }
});
