//! Any bytes are a DMARC record, an MTA-STS policy and its record, with spans inside them.
#![no_main]

use depeche_domain::{dmarc, mta_sts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let record = dmarc::parse(data);
    for tag in &record.tags {
        assert!(record.text.get(tag.span.start..tag.span.end).is_some(), "{tag:?}");
    }
    for issue in &record.issues {
        assert!(record.text.get(issue.span.start..issue.span.end).is_some(), "{issue:?}");
    }
    if dmarc::is_dmarc(data) {
        // RFC 9989, section 4.7: the version is the first tag.
        assert_eq!(record.tags.first().map(|tag| tag.name.as_str()), Some("v"));
    }
    let _ = (record.domain_policy(), record.subdomain_policy(true), record.subdomain_policy(false));
    let policy = mta_sts::parse(data);
    if policy.is_valid() {
        let _ = policy.covers("mx.exemple.fr");
    }
});
