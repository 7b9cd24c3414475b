//! `plan --assume-down`: what a release rests on, gathered, and what stands without one of it.

use std::collections::BTreeSet;

use depeche::domain::align::{Home, Kind as DomainKind, align};
use depeche::domain::dns::Dns;
use depeche::domain::dns::recorded::Recorded;
use depeche::domain::dns::session::Session;
use depeche::domain::operator::operator;
use depeche::domain::outage::{Asked, Carrier, Facts, Survey, gather, survey};
use depeche::message::Message;
use depeche::provider::ProviderName;

use crate::config::{Config, Kind, ProviderConfig};
use crate::context::Context;
use crate::failure::Failure;
use crate::verbs::domain::{chain, door};

/// One survey for each name that is assumed down.
pub(crate) async fn surveys(
    down: &[String],
    route: &[ProviderName],
    config: &Config,
    message: &Message,
    context: &Context<'_>,
) -> Result<Vec<Survey>, Failure> {
    if down.is_empty() {
        return Ok(Vec::new());
    }
    let facts = facts(route, config, message, context).await?;
    Ok(down.iter().map(|name| survey(&facts, name)).collect())
}

async fn facts(
    route: &[ProviderName],
    config: &Config,
    message: &Message,
    context: &Context<'_>,
) -> Result<Facts, Failure> {
    // A machine without name servers knows nothing, and says so part by part.
    let dns = door::live(config.nameserver.as_deref(), context)?
        .unwrap_or_else(|| Box::new(Recorded::default()) as Box<dyn Dns>);
    let identity = &config.identity;
    let domain = identity.from.address.domain();
    let opt_out = &identity.unsubscribe;
    let opt_out_host = opt_out.url.as_deref().and_then(host_of);
    let is_other = |host: &String| Some(host) != opt_out_host.as_ref();
    let asked = Asked {
        domain: domain.to_owned(),
        reply_to: message.reply_to.as_ref().map(|mailbox| mailbox.address.domain().to_owned()),
        links: hosts(&message.html, "href").into_iter().filter(is_other).collect(),
        images: hosts(&message.html, "src"),
        unsubscribe_mail: opt_out.mailto.as_ref().map(|address| address.domain().to_owned()),
        carriers: carriers(route, config, &*dns, domain).await,
        unsubscribe_host: opt_out_host,
    };
    Ok(gather(&*dns, &asked).await)
}

async fn carriers(route: &[ProviderName], config: &Config, dns: &dyn Dns, domain: &str) -> Vec<Carrier> {
    let session = Session::new(dns);
    let home = Home::find(&session, domain).await;
    let mut carriers = Vec::new();
    for one in route.iter().filter_map(|name| config.providers.iter().find(|one| one.name == *name)) {
        let provider = chain::of(one, config, chain::Keys::AtHand);
        let reports = match &provider {
            Some(provider) => align(&session, &home, std::slice::from_ref(provider), &[]).await,
            None => Vec::new(),
        };
        let kind = provider.map(|provider| provider.kind);
        let operator = run_by(one, kind);
        carriers.push(match reports.first() {
            Some(report) => Carrier::of(report, operator),
            None => Carrier::unknown(one.name.as_str(), operator),
        });
    }
    carriers
}

fn run_by(one: &ProviderConfig, kind: Option<DomainKind>) -> Option<String> {
    match (kind?, &one.kind) {
        (DomainKind::Mailchimp | DomainKind::MailchimpTransactional, _) => Some("Mailchimp".to_owned()),
        (DomainKind::Smtp, Kind::Smtp(smtp)) => Some(operator(&smtp.host)),
        (DomainKind::Smtp, _) => None,
        (known, _) => Some(known.label().to_owned()),
    }
}

/// The hosts of the http addresses that stand in an attribute, each once. The HTML is of our own making:
/// values stand in double quotes.
fn hosts(html: &str, attribute: &str) -> Vec<String> {
    let start = format!("{attribute}=\"");
    let values = html.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
    let once: BTreeSet<String> = values.filter_map(host_of).collect();
    once.into_iter().collect()
}

/// The host of an http address; `None` for an IP address, another scheme, or no address.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    depeche::domain::name::from_user(host).filter(|host| host.parse::<std::net::IpAddr>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_release_are_found_each_once() {
        let html = "<a href=\"https://exemple.fr/a?b=https://no.example/\"><img src=\"cid:1\"><img src=\"http://img.exemple.fr:8080/x.png\"></a>\
            <a href=\"https://EXEMPLE.fr/c\"><a href=\"mailto:a@b.example\"><a href=\"https://192.0.2.1/\">";

        assert_eq!(hosts(html, "href"), ["exemple.fr"]);
        assert_eq!(hosts(html, "src"), ["img.exemple.fr"]);
    }
}
