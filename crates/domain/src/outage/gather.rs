//! Asks DNS who runs what a release rests on.

use futures_util::future::{join, join_all};

use super::{Carrier, Facts, KeyZone, Need, NeedKind, Place, PlaceKind};
use crate::dns::session::Session;
use crate::dns::{Dns, RecordType, Status, reverse_name};
use crate::name;
use crate::operator::operator;

/// What a release rests on, as its user configured and wrote it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The From domain.
    pub domain: String,
    /// The domain of Reply-To, when it is another.
    pub reply_to: Option<String>,
    /// Hosts that the release links to.
    pub links: Vec<String>,
    /// Hosts that images are fetched from.
    pub images: Vec<String>,
    /// The mail domain of the unsubscribe address.
    pub unsubscribe_mail: Option<String>,
    /// The host of the unsubscribe page.
    pub unsubscribe_host: Option<String>,
    /// The providers in order of fallback.
    pub carriers: Vec<Carrier>,
}

/// The most hosts of one kind that are looked at: a release that links to more names the first.
const MOST_HOSTS: usize = 5;

/// Looks up who runs what, within the bounds of a check: 64 look-ups, 25 s.
pub async fn gather(dns: &dyn Dns, asked: &Asked) -> Facts {
    gather_with(&Session::new(dns), asked).await
}

/// The same, within the bounds of whoever asks.
pub(crate) async fn gather_with(dns: &dyn Dns, asked: &Asked) -> Facts {
    let own = join(name_servers(dns, &asked.domain), mail(dns, PlaceKind::From, &asked.domain));
    let reply_to = asked.reply_to.iter().filter(|other| !name::same(other, &asked.domain));
    let reply_to = reply_to.map(|domain| mail(dns, PlaceKind::ReplyTo, domain));
    let opt_out = asked.unsubscribe_mail.iter().map(|domain| mail(dns, PlaceKind::Unsubscribe, domain));
    let opt_out_host = asked.unsubscribe_host.iter().map(|host| web(dns, PlaceKind::Unsubscribe, host));
    let links = asked.links.iter().take(MOST_HOSTS).map(|host| web(dns, PlaceKind::Link, host));
    let images = asked.images.iter().take(MOST_HOSTS).map(|host| web(dns, PlaceKind::Image, host));
    let carriers = asked.carriers.iter().map(|carrier| with_key_servers(dns, carrier));
    let ((own_servers, from), answers, webs, carriers) = tokio::join!(
        own,
        join_all(reply_to.chain(opt_out)),
        join_all(links.chain(images).chain(opt_out_host)),
        join_all(carriers),
    );
    let zone = Place { kind: PlaceKind::Dns, name: asked.domain.clone(), needs: vec![own_servers] };
    let places = [zone, from].into_iter().chain(answers).chain(webs).collect();
    Facts { domain: asked.domain.clone(), carriers, places }
}

/// The provider, with who serves the zones of its keys.
async fn with_key_servers(dns: &dyn Dns, carrier: &Carrier) -> Carrier {
    let ask = |zone: &KeyZone| {
        let zone = zone.zone.clone();
        async move {
            let operators = name_servers(dns, &zone).await.operators;
            KeyZone { zone, operators }
        }
    };
    Carrier { key_zones: join_all(carrier.key_zones.iter().map(ask)).await, ..carrier.clone() }
}

async fn mail(dns: &dyn Dns, kind: PlaceKind, domain: &str) -> Place {
    let (servers, exchangers) = join(name_servers(dns, domain), exchangers(dns, domain)).await;
    Place { kind, name: domain.to_owned(), needs: vec![servers, exchangers] }
}

async fn web(dns: &dyn Dns, kind: PlaceKind, host: &str) -> Place {
    let (servers, web) = join(name_servers(dns, host), web_server(dns, host)).await;
    Place { kind, name: host.to_owned(), needs: vec![servers, web] }
}

/// The name servers of the zone that a name lies in: the closest one above it that has any.
async fn name_servers(dns: &dyn Dns, name: &str) -> Need {
    let last = name::registrable(name).unwrap_or_else(|| name.to_owned());
    let mut at = name::normal(name);
    let operators = loop {
        let answer = dns.lookup(&at, RecordType::Ns).await;
        // A name with a CNAME is no zone of its own (RFC 1034, section 3.6.2).
        let is_alias = !answer.aliases.is_empty();
        if answer.status == Status::Found && !is_alias {
            break Some(once(answer.names().iter().map(|host| operator(host))));
        }
        if (answer.status.is_unknown() && !is_alias) || name::same(&at, &last) {
            break None;
        }
        match name::parent(&at) {
            Some(above) => at = above.to_owned(),
            None => break None,
        }
    };
    Need { kind: NeedKind::NameServers, operators }
}

async fn exchangers(dns: &dyn Dns, domain: &str) -> Need {
    let answer = dns.lookup(domain, RecordType::Mx).await;
    let hosts: Vec<String> = answer.exchangers().into_iter().map(|(_, host)| host).collect();
    let operators = match answer.status {
        Status::Found => Some(once(hosts.iter().map(|host| operator(host)))),
        // Without MX the address itself takes mail (RFC 5321, section 5.1).
        Status::NoData => web_server(dns, domain).await.operators,
        _ => None,
    };
    Need { kind: NeedKind::Exchangers, operators }
}

/// Who runs the address: by the last alias on the way, else by the address's own name.
async fn web_server(dns: &dyn Dns, host: &str) -> Need {
    let answer = dns.lookup(host, RecordType::A).await;
    let answer = match answer.status {
        Status::NoData => dns.lookup(host, RecordType::Aaaa).await,
        _ => answer,
    };
    let operators = match (answer.status, answer.final_alias(), answer.addresses().first()) {
        (Status::Found, Some(alias), _) => Some(vec![operator(alias)]),
        (Status::Found, None, Some(ip)) => {
            let reverse = dns.lookup(&reverse_name(*ip), RecordType::Ptr).await;
            reverse.names().first().map(|own| vec![operator(own)])
        }
        _ => None,
    };
    Need { kind: NeedKind::Web, operators }
}

fn once(operators: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<_> = operators.collect();
    all.sort();
    all.dedup();
    all
}
