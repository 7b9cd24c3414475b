//! What plays no part in sending, but belongs to a domain in order: TLS-RPT, BIMI, DNSSEC.

use futures_util::future::join_all;

use crate::align::Home;
use crate::dmarc::Policy;
use crate::dns::{Answer, Dns, RecordType, Status};
use crate::finding::Finding;
use crate::name;
use crate::rules;
use crate::suggest;
use crate::text::{Text, both};

pub(super) async fn findings(dns: &dyn Dns, domain: &str, home: &Home) -> Vec<Finding> {
    let names = [
        (format!("_smtp._tls.{domain}"), RecordType::Txt),
        (format!("default._bimi.{domain}"), RecordType::Txt),
        (name::registrable(domain).unwrap_or_else(|| domain.to_owned()), RecordType::Ds),
    ];
    let answers = join_all(names.iter().map(|(name, kind)| dns.lookup(name, *kind))).await;
    let [tls_rpt, bimi, ds] = answers.as_slice() else { return Vec::new() };
    let mut found = Vec::new();
    found.extend(present(tls_rpt, &names[0].0, rules::TLS_RPT, "v=TLSRPTv1", "TLS-RPT").map(|finding| {
        let name = &names[0].0;
        finding.fix(Text::same(suggest::txt_line(name, &format!("v=TLSRPTv1; rua=mailto:tls@{domain}"))))
    }));
    // A logo is shown only where the policy is enforced.
    if matches!(home.discovery.policy(), Some(Policy::Quarantine | Policy::Reject)) {
        found.extend(present(bimi, &names[1].0, rules::BIMI, "v=BIMI1", "BIMI"));
    }
    if ds.status.is_void() {
        let zone = &names[2].0;
        let message = both!("{zone} is not signed with DNSSEC", "{zone} n'est pas signé par DNSSEC");
        found.push(Finding::info(rules::DNSSEC, message).at(zone.clone()));
    }
    found
}

/// Says when a record is absent; what DNS did not say is left out, for nothing depends on it.
pub(super) fn present(
    answer: &Answer,
    name: &str,
    id: &'static str,
    start: &str,
    label: &str,
) -> Option<Finding> {
    let there = answer.joined_texts().iter().any(|text| begins(text, start));
    let absent = answer.status.is_void() || (answer.status == Status::Found && !there);
    absent.then(|| {
        let message =
            both!("there is no {label} record ({name})", "il n'y a pas d'enregistrement {label} ({name})");
        Finding::info(id, message).at(name)
    })
}

fn begins(text: &[u8], start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}
