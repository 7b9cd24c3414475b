//! Any bytes are a DKIM key record, a signature and a message, or are refused with a reason.
#![no_main]

use std::sync::OnceLock;

use depeche_domain::dkim::{KeyRecord, Signature, Source, verify};
use depeche_domain::dns::recorded::Recorded;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    })
}

fuzz_target!(|data: &[u8]| {
    let key = KeyRecord::parse(data);
    for issue in &key.issues {
        assert!(key.text.get(issue.span.start..issue.span.end).is_some(), "{issue:?}");
    }
    if key.is_usable() {
        assert!(key.fatal().is_none());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Signature::parse(text);
    }
    // Without a key in DNS nothing may pass.
    let verdicts = runtime().block_on(verify(&Recorded::default(), &Source::parse(data), 1_700_000_000));
    assert!(verdicts.iter().all(|verdict| verdict.result.word() != "pass"), "{verdicts:?}");
});
