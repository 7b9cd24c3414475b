//! Findings about MTA-STS: the record, the policy on its host, and whether the policy knows the MX.

use std::net::IpAddr;

use futures_util::future::join;
use tokio::time::timeout;

use super::beyond::present;
use crate::dns::session::Session;
use crate::dns::{Dns, RecordType};
use crate::finding::{Finding, Severity};
use crate::mta_sts::{self, Document, FetchError, MAX_FETCH_TIME, Mode, POLICY_PATH, Policy, PolicyFetcher};
use crate::rules;
use crate::text::{Text, both};

pub(super) async fn findings(
    session: &Session<'_>,
    domain: &str,
    fetcher: Option<&dyn PolicyFetcher>,
) -> Vec<Finding> {
    let name = format!("_mta-sts.{domain}");
    let answer = session.lookup(&name, RecordType::Txt).await;
    let texts = answer.joined_texts();
    let records: Vec<_> = texts.iter().filter(|text| mta_sts::is_sts(text)).collect();
    let record = match records.as_slice() {
        [] => return present(&answer, &name, rules::MTA_STS, "v=STSv1", "MTA-STS").into_iter().collect(),
        [one] => String::from_utf8_lossy(one).into_owned(),
        several => {
            let count = several.len();
            let message = both!(
                "there are {count} MTA-STS records: senders ignore them all",
                "il y a {count} enregistrements MTA-STS : tous sont ignorés"
            );
            return vec![Finding::warn(rules::MTA_STS, message).at(name)];
        }
    };
    if let Some(issue) = mta_sts::judge(&record) {
        return vec![Finding::warn(rules::MTA_STS, issue.message).at(name).in_record(record, issue.span)];
    }
    policy(session, domain, &record, fetcher).await
}

async fn policy(
    session: &Session<'_>,
    domain: &str,
    record: &str,
    fetcher: Option<&dyn PolicyFetcher>,
) -> Vec<Finding> {
    let host = format!("mta-sts.{domain}");
    let addresses = match addresses(session, &host, record).await {
        Ok(addresses) => addresses,
        Err(finding) => return finding.into_iter().collect(),
    };
    let url = format!("https://{host}{POLICY_PATH}");
    let Some(fetcher) = fetcher else {
        let message = both!(
            "the MTA-STS policy at {url} was not fetched: nothing is known about it",
            "la politique MTA-STS sur {url} n'a pas été demandée : on n'en sait rien"
        );
        return vec![Finding::info(rules::MTA_STS_POLICY, message).at(url)];
    };
    let time = session.time_left().min(MAX_FETCH_TIME);
    let seconds = time.as_secs();
    let late = |_| Err(FetchError::Unanswered(both!("not within {seconds} s", "pas en {seconds} s")));
    match timeout(time, fetcher.fetch(&host, &addresses)).await.unwrap_or_else(late) {
        Ok(document) => judge(session, domain, &url, &document).await,
        Err(error) => vec![unfetched(&url, &error)],
    }
}

/// Where the policy host is; otherwise what there is to say instead.
async fn addresses(dns: &dyn Dns, host: &str, record: &str) -> Result<Vec<IpAddr>, Option<Finding>> {
    let (v4, v6) = join(dns.lookup(host, RecordType::A), dns.lookup(host, RecordType::Aaaa)).await;
    let addresses = [v4.addresses(), v6.addresses()].concat();
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    if let Some(failed) = [&v4, &v6].into_iter().find(|answer| answer.status.is_temporary()) {
        let (words, mots) = (failed.status.words(), failed.status.mots());
        let message = both!(
            "the MTA-STS policy could not be checked: the look-up of {host} {words}",
            "la politique MTA-STS n'a pas pu être vérifiée : pas de réponse du DNS sur {host} ({mots})"
        );
        return Err(Some(Finding::unchecked(message).at(host)));
    }
    if v4.status.is_unknown() || v6.status.is_unknown() {
        return Err(None);
    }
    let message = both!(
        "there is an MTA-STS record, but {host}, which serves its policy, has no address",
        "il y a un enregistrement MTA-STS, mais {host}, qui sert sa politique, n'a pas d'adresse"
    );
    Err(Some(Finding::warn(rules::MTA_STS, message).at(host).in_record(record, None)))
}

fn unfetched(url: &str, error: &FetchError) -> Finding {
    let Text { en, fr } = error.text();
    let message = Text {
        en: format!("the MTA-STS policy at {url} cannot be had: {en}"),
        fr: format!("la politique MTA-STS sur {url} est inaccessible : {fr}"),
    };
    if error.is_temporary() {
        return Finding::unchecked(message).at(url);
    }
    Finding::warn(rules::MTA_STS_POLICY, message).at(url)
}

async fn judge(dns: &dyn Dns, domain: &str, url: &str, document: &Document) -> Vec<Finding> {
    let mut found = Vec::new();
    if !document.is_plain_text() {
        let seen = &document.content_type;
        let message = both!(
            "the MTA-STS policy is served as `{seen}`, not as text/plain: senders ignore it",
            "la politique MTA-STS est servie en `{seen}` et non en text/plain : elle est ignorée"
        );
        found.push(Finding::warn(rules::MTA_STS_POLICY, message).at(url));
    }
    let policy = mta_sts::parse(&document.body);
    found.extend(policy.issues.iter().map(|issue| {
        let severity = if issue.harmless { Severity::Info } else { Severity::Warn };
        let (en, fr) = match issue.fatal {
            true => ("senders ignore the MTA-STS policy", "la politique MTA-STS est ignorée"),
            false => ("the MTA-STS policy", "la politique MTA-STS"),
        };
        let message =
            Text { en: format!("{en}: {}", issue.message.en), fr: format!("{fr} : {}", issue.message.fr) };
        let finding = Finding::new(rules::MTA_STS_POLICY, severity, message).at(url);
        if issue.line.is_empty() { finding } else { finding.in_record(issue.line.clone(), issue.span) }
    }));
    // What senders ignore asks for nothing.
    if document.is_plain_text() && policy.is_valid() {
        found.extend(mode(&policy, url));
        found.extend(uncovered(dns, domain, &policy, url).await);
    }
    found
}

fn mode(policy: &Policy, url: &str) -> Option<Finding> {
    let message = match policy.mode? {
        Mode::Enforce => return None,
        Mode::Testing => both!(
            "the MTA-STS policy is in mode testing: senders report, and deliver all the same",
            "la politique MTA-STS est en mode testing : les expéditeurs signalent, mais livrent quand même"
        ),
        Mode::None => both!(
            "the MTA-STS policy is in mode none: it asks for nothing",
            "la politique MTA-STS est en mode none : elle ne demande rien"
        ),
    };
    Some(Finding::info(rules::MTA_STS_MODE, message).at(url))
}

/// Exchangers that the policy does not name: in mode enforce nothing is delivered to them.
async fn uncovered(dns: &dyn Dns, domain: &str, policy: &Policy, url: &str) -> Vec<Finding> {
    let severity = match policy.mode {
        Some(Mode::Enforce) => Severity::Error,
        Some(Mode::Testing) => Severity::Warn,
        _ => return Vec::new(),
    };
    let exchangers = dns.lookup(domain, RecordType::Mx).await.exchangers();
    let missing =
        exchangers.iter().map(|(_, host)| host).filter(|host| !host.is_empty() && !policy.covers(host));
    missing
        .map(|host| {
            let message = if severity == Severity::Error {
                both!(
                    "the MTA-STS policy does not cover the MX {host}: senders that obey it do not deliver there",
                    "la politique MTA-STS ne couvre pas le MX {host} : qui la respecte n'y livre rien"
                )
            } else {
                both!(
                    "the MTA-STS policy does not cover the MX {host}: in mode enforce nothing would be delivered there",
                    "la politique MTA-STS ne couvre pas le MX {host} : en mode enforce, rien n'y serait livré"
                )
            };
            let patterns: Vec<_> = policy.mx.iter().map(|pattern| format!("mx: {}", pattern.text())).collect();
            let fix = both!(
                "add to the policy: mx: {host}\nthen change the id of _mta-sts.{domain}",
                "ajoutez à la politique : mx: {host}\npuis changez le id de _mta-sts.{domain}"
            );
            let finding = Finding::new(rules::MTA_STS_MX, severity, message).at(url);
            finding.in_record(patterns.join(", "), None).fix(fix)
        })
        .collect()
}
