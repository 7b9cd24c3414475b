//! Any bytes are a TLS-RPT record, a BIMI record, an MTA-STS record and policy: places inside them, on borders
//! of characters, and what is printed is read back the same.
#![no_main]

use depeche_domain::{bimi, mta_sts, tls_rpt};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let reports = tls_rpt::parse(&text);
    let logo = bimi::parse(&text);
    let places = reports.issues.iter().map(|issue| issue.span).chain(logo.issues.iter().map(|issue| issue.span));
    for span in places.chain([mta_sts::judge(&text).and_then(|issue| issue.span)]).flatten() {
        assert!(text.get(span.start..span.end).is_some(), "{span:?}");
    }
    if !reports.rua.is_empty() {
        assert_eq!(tls_rpt::parse(&reports.to_string()).rua, reports.rua);
    }
    if !logo.issues.iter().any(|issue| issue.fatal) {
        let again = bimi::parse(&logo.to_string());
        assert_eq!((again.logo, again.evidence), (logo.logo, logo.evidence));
    }
    let _ = (tls_rpt::is_tls_rpt(data), bimi::is_bimi(data), mta_sts::is_sts(data));
    for issue in mta_sts::parse(data).issues {
        assert!(issue.span.is_none_or(|span| issue.line.get(span.start..span.end).is_some()), "{issue:?}");
    }
});
