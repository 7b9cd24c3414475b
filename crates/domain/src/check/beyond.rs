//! What plays no part in sending, but belongs to a domain in order: TLS-RPT, BIMI, DNSSEC.

use futures_util::future::join_all;

use crate::align::Home;
use crate::bimi;
use crate::dmarc::Policy;
use crate::dns::{Answer, Dns, RecordType, Status};
use crate::finding::{Finding, Severity};
use crate::name;
use crate::rules;
use crate::suggest;
use crate::text::{Text, both};
use crate::tls_rpt;

pub(super) async fn findings(dns: &dyn Dns, domain: &str, home: &Home) -> Vec<Finding> {
    let names = [
        (format!("_smtp._tls.{domain}"), RecordType::Txt),
        (format!("default._bimi.{domain}"), RecordType::Txt),
        (name::registrable(domain).unwrap_or_else(|| domain.to_owned()), RecordType::Ds),
    ];
    let answers = join_all(names.iter().map(|(name, kind)| dns.lookup(name, *kind))).await;
    let [tls_rpt, bimi, ds] = answers.as_slice() else { return Vec::new() };
    let mut found = reports(tls_rpt, &names[0].0, domain);
    found.extend(logo(bimi, &names[1].0, home));
    let zone = &names[2].0;
    if ds.status.is_temporary() {
        let (words, mots) = (ds.status.words(), ds.status.mots());
        let message = both!(
            "whether {zone} is signed with DNSSEC could not be checked: the look-up {words}",
            "impossible de vérifier si {zone} est signé par DNSSEC : le DNS n'a pas répondu ({mots})"
        );
        found.push(Finding::unchecked(message).at(zone.clone()));
    }
    // A DS record is presence, and no more: nobody here validates a signature.
    if ds.status.is_void() {
        let message = both!(
            "{zone} has no DS record: it is not signed with DNSSEC",
            "{zone} n'a pas d'enregistrement DS : il n'est pas signé par DNSSEC"
        );
        found.push(Finding::info(rules::DNSSEC, message).at(zone.clone()));
    }
    found
}

/// The record of TLS-RPT: absent, several, or one that senders do not read.
fn reports(answer: &Answer, name: &str, domain: &str) -> Vec<Finding> {
    let fix = || Text::same(suggest::txt_line(name, &format!("v=TLSRPTv1; rua=mailto:tls@{domain}")));
    let texts = answer.joined_texts();
    let records: Vec<_> = texts.iter().filter(|text| tls_rpt::is_tls_rpt(text)).collect();
    let text = match records.as_slice() {
        [] => {
            let absent = present(answer, name, rules::TLS_RPT, "v=TLSRPTv1", "TLS-RPT");
            return absent.map(|finding| finding.fix(fix())).into_iter().collect();
        }
        [one] => String::from_utf8_lossy(one).into_owned(),
        // RFC 8460, section 3: with more than one, senders take it that there is none.
        several => return vec![many(several.len(), rules::TLS_RPT, "TLS-RPT", name)],
    };
    let record = tls_rpt::parse(&text);
    let about = |issue: &tls_rpt::Issue| {
        let (en, fr) = (&issue.message.en, &issue.message.fr);
        let message = Text {
            en: format!("senders do not read the TLS-RPT record: {en}"),
            fr: format!("l'enregistrement TLS-RPT n'est pas lu : {fr}"),
        };
        Finding::warn(rules::TLS_RPT, message)
            .at(name)
            .in_record(text.clone(), issue.span)
            .fix(mended(&record, name, domain))
    };
    record.issues.iter().map(about).collect()
}

/// What is right in a record, as a record.
fn mended(record: &tls_rpt::Record, name: &str, domain: &str) -> Text {
    let rua = if record.rua.is_empty() { vec![format!("mailto:tls@{domain}")] } else { record.rua.clone() };
    Text::same(suggest::txt_line(name, &tls_rpt::Record { rua, issues: Vec::new() }.to_string()))
}

/// The record of BIMI. A logo is shown only where the DMARC policy is enforced: absent is said only there.
fn logo(answer: &Answer, name: &str, home: &Home) -> Vec<Finding> {
    let texts = answer.joined_texts();
    let records: Vec<_> = texts.iter().filter(|text| bimi::is_bimi(text)).collect();
    let enforced = matches!(home.discovery.policy(), Some(Policy::Quarantine | Policy::Reject));
    let text = match records.as_slice() {
        [] if enforced => {
            return present(answer, name, rules::BIMI, "v=BIMI1", "BIMI").into_iter().collect();
        }
        [] => return Vec::new(),
        [one] => String::from_utf8_lossy(one).into_owned(),
        several => return vec![many(several.len(), rules::BIMI, "BIMI", name)],
    };
    let record = bimi::parse(&text);
    let about = |issue: &bimi::Issue| {
        let Text { en, fr } = &issue.message;
        let (severity, message) = match issue.fatal {
            true => (Severity::Warn, both!("no logo is shown: {en}", "aucun logo n'est montré : {fr}")),
            false => (Severity::Info, issue.message.clone()),
        };
        Finding::new(rules::BIMI, severity, message).at(name).in_record(text.clone(), issue.span)
    };
    let mut found: Vec<_> = record.issues.iter().map(about).collect();
    if !enforced && !home.discovery.is_temporary && !record.declines() {
        let message = both!(
            "no logo is shown while the DMARC policy of {} is not quarantine or reject",
            "aucun logo n'est montré tant que la politique DMARC de {} n'est pas quarantine ou reject",
            home.domain
        );
        let fix = both!(
            "first go to p=quarantine (see DMARC-NONE), or take the BIMI record out",
            "passez d'abord à p=quarantine (voir DMARC-NONE), ou retirez l'enregistrement BIMI"
        );
        found.push(Finding::warn(rules::BIMI, message).at(name).in_record(text, None).fix(fix));
    }
    found
}

fn many(count: usize, id: &'static str, label: &str, name: &str) -> Finding {
    let message = both!(
        "there are {count} {label} records: they count as none",
        "il y a {count} enregistrements {label} : ils comptent comme aucun"
    );
    Finding::warn(id, message).at(name)
}

/// Says when a record is absent, and when DNS did not answer.
pub(super) fn present(
    answer: &Answer,
    name: &str,
    id: &'static str,
    start: &str,
    label: &str,
) -> Option<Finding> {
    if answer.status.is_temporary() {
        let (words, mots) = (answer.status.words(), answer.status.mots());
        let message = both!(
            "the {label} record could not be checked: the look-up of {name} {words}",
            "l'enregistrement {label} n'a pas pu être vérifié : {name} n'a pas répondu ({mots})"
        );
        return Some(Finding::unchecked(message).at(name));
    }
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
