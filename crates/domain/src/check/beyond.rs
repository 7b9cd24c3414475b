//! What plays no part in sending, but belongs to a domain in order: TLS-RPT, MTA-STS, BIMI, DNSSEC.

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
        (format!("_mta-sts.{domain}"), RecordType::Txt),
        (format!("default._bimi.{domain}"), RecordType::Txt),
        (name::registrable(domain).unwrap_or_else(|| domain.to_owned()), RecordType::Ds),
    ];
    let answers = join_all(names.iter().map(|(name, kind)| dns.lookup(name, *kind))).await;
    let [tls_rpt, mta_sts, bimi, ds] = answers.as_slice() else { return Vec::new() };
    let mut found = Vec::new();
    found.extend(present(tls_rpt, &names[0].0, rules::TLS_RPT, "v=TLSRPTv1", "TLS-RPT").map(|finding| {
        let name = &names[0].0;
        finding.fix(Text::same(suggest::txt_line(name, &format!("v=TLSRPTv1; rua=mailto:tls@{domain}"))))
    }));
    found.extend(self::mta_sts(dns, domain, mta_sts, &names[1].0).await);
    // A logo is shown only where the policy is enforced.
    if matches!(home.discovery.policy(), Some(Policy::Quarantine | Policy::Reject)) {
        found.extend(present(bimi, &names[2].0, rules::BIMI, "v=BIMI1", "BIMI"));
    }
    if ds.status.is_void() {
        let zone = &names[3].0;
        let message = both!("{zone} is not signed with DNSSEC", "{zone} n'est pas signé par DNSSEC");
        found.push(Finding::info(rules::DNSSEC, message).at(zone.clone()));
    }
    found
}

/// Says when a record is absent; what DNS did not say is left out, for nothing depends on it.
fn present(answer: &Answer, name: &str, id: &'static str, start: &str, label: &str) -> Option<Finding> {
    let there = answer.joined_texts().iter().any(|text| begins(text, start));
    let absent = answer.status.is_void() || (answer.status == Status::Found && !there);
    absent.then(|| {
        let message =
            both!("there is no {label} record ({name})", "il n'y a pas d'enregistrement {label} ({name})");
        Finding::info(id, message).at(name)
    })
}

async fn mta_sts(dns: &dyn Dns, domain: &str, answer: &Answer, name: &str) -> Option<Finding> {
    let texts = answer.joined_texts();
    let Some(record) = texts.iter().find(|text| begins(text, "v=STSv1")) else {
        return present(answer, name, rules::MTA_STS, "v=STSv1", "MTA-STS");
    };
    let text = String::from_utf8_lossy(record).into_owned();
    // RFC 8461, section 3.1: the id is what tells senders that the policy changed.
    if !text.split(';').any(|tag| tag.trim().starts_with("id=")) {
        let message = both!(
            "the MTA-STS record has no id=: senders ignore it",
            "l'enregistrement MTA-STS n'a pas de id= : il est ignoré"
        );
        return Some(Finding::warn(rules::MTA_STS, message).at(name).in_record(text, None));
    }
    let host = format!("mta-sts.{domain}");
    let (v4, v6) =
        futures_util::future::join(dns.lookup(&host, RecordType::A), dns.lookup(&host, RecordType::Aaaa))
            .await;
    if !(v4.status.is_void() && v6.status.is_void()) {
        return None;
    }
    let message = both!(
        "there is an MTA-STS record, but {host}, which serves its policy, has no address",
        "il y a un enregistrement MTA-STS, mais {host}, qui sert sa politique, n'a pas d'adresse"
    );
    Some(Finding::warn(rules::MTA_STS, message).at(host).in_record(text, None))
}

fn begins(text: &[u8], start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}
