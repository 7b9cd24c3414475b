//! Any bytes are an SPF record with spans inside it; evaluating it ends, within the look-up limits.
#![no_main]

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use depeche_domain::dns::recorded::Recorded;
use depeche_domain::dns::{Answer, Data, Record, RecordType};
use depeche_domain::spf;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    })
}

fuzz_target!(|data: &[u8]| {
    let record = spf::parse(data);
    for term in &record.terms {
        assert_eq!(term.span.of(&record.text), term.text, "{term:?}");
    }
    for error in &record.errors {
        assert!(record.text.get(error.span.start..error.span.end).is_some(), "{error:?}");
    }
    let mut dns = Recorded::default();
    dns.insert(
        "exemple.fr",
        RecordType::Txt,
        Answer::of(vec![Record { data: Data::Txt(vec![data.to_vec()]), ttl: 60 }]),
    );
    let request =
        spf::Request::new(Ipv4Addr::new(192, 0, 2, 1).into(), "presse@exemple.fr", "mail.exemple.fr");
    let verdict = runtime().block_on(spf::check_host(&dns, &request));
    // RFC 7208, section 4.6.4.
    assert!(verdict.lookups <= 10 || verdict.result == spf::SpfResult::Permerror, "{verdict:?}");
});
