//! Any bytes are a received message whose noted results and hops are trusted: nothing passes that no key proves.
#![no_main]

use std::sync::OnceLock;

use depeche_domain::dns::recorded::Recorded;
use depeche_domain::verify::{Received, verify};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    })
}

fuzz_target!(|data: &[u8]| {
    let received = Received { trusted: vec!["exemple.fr".to_owned()], ..Received::default() };
    let verdict = runtime().block_on(verify(&Recorded::default(), data, &received, 1_700_000_000));
    assert!(verdict.dkim.iter().all(|line| line.result.word() != "pass"), "{:?}", verdict.dkim);
});
