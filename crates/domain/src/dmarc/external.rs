//! Reports that go to another organisation need that organisation's leave (RFC 9990, section 4).

use futures_util::future::join_all;

use super::record::{Record, Uri, is_dmarc};
use super::walk::walk;
use crate::dns::{Dns, RecordType, Status};

/// One reporting address outside the organizational domain, and whether it may be used.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The address.
    pub uri: Uri,
    /// Where the leave must stand.
    pub record_name: String,
    /// Whether it stands there; `None` when DNS did not say.
    pub authorised: Option<bool>,
}

/// The most reporting addresses that are looked at; a receiver need not send to more than two.
const MAX_DESTINATIONS: usize = 8;

/// Looks at each of the first eight `rua=` and `ruf=` that leads out of the organizational domain of `policy_domain`.
pub async fn destinations(dns: &dyn Dns, policy_domain: &str, record: &Record) -> Vec<Destination> {
    let home = walk(dns, policy_domain).await.organizational_domain();
    let uris = record.rua.iter().chain(&record.ruf).take(MAX_DESTINATIONS);
    let found = join_all(uris.map(|uri| look_at(dns, policy_domain, &home, uri))).await;
    found.into_iter().flatten().collect()
}

async fn look_at(dns: &dyn Dns, policy_domain: &str, home: &str, uri: &Uri) -> Option<Destination> {
    let host = uri.domain.as_deref()?;
    if walk(dns, host).await.organizational_domain() == home || crate::name::is_within(host, home) {
        return None;
    }
    let record_name = format!("{policy_domain}._report._dmarc.{host}");
    let answer = dns.lookup(&record_name, RecordType::Txt).await;
    let authorised = match answer.status {
        Status::Found => Some(answer.joined_texts().iter().any(|text| is_dmarc(text))),
        status if status.is_unknown() => None,
        _ => Some(false),
    };
    Some(Destination { uri: uri.clone(), record_name, authorised })
}
