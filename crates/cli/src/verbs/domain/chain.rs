//! The providers that a domain is checked for: those of depeche.toml, or those of `--provider`.

use depeche::domain::align::{Kind as DomainKind, Provider, selector_prefix};
use depeche::domain::dkim::{OwnKey, record_of};
use depeche::domain::name;
use depeche::domain::text::Text;
use depeche::providers::smtp::EnvelopeFrom;
use depeche::secret::ExposeSecret as _;

use crate::config::{Config, Dkim, Kind, ProviderConfig, Smtp, nearest};
use crate::context::Context;
use crate::failure::Failure;
use crate::sentences::french;
use crate::words::say;

/// Which private keys are read for their public halves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Those for which no program has to run: a check asks nobody for a passphrase.
    AtHand,
    /// All.
    All,
}

/// All providers of depeche.toml; with names, those of them, or providers of these kinds.
pub(crate) fn providers(
    asked: &[String],
    keys: Keys,
    context: &Context<'_>,
) -> Result<Vec<Provider>, Failure> {
    let config = context.config_if_any()?;
    let configured: Vec<Provider> = config
        .iter()
        .flat_map(|config| config.providers.iter().filter_map(|one| of(one, config, keys)))
        .collect();
    if asked.is_empty() {
        return Ok(configured);
    }
    let named = |name: &String| {
        let found = configured.iter().find(|provider| provider.name == *name).cloned();
        found.or_else(|| Provider::from_word(name)).ok_or_else(|| unknown(name, &configured, context))
    };
    asked.iter().map(named).collect()
}

/// The provider as the domain check sees it; an outbox sends nothing.
pub(crate) fn of(one: &ProviderConfig, config: &Config, keys: Keys) -> Option<Provider> {
    let mut provider = match &one.kind {
        Kind::Smtp(smtp) => {
            let by_preset = smtp.preset.and_then(DomainKind::from_word);
            let kind = by_preset.unwrap_or_else(|| DomainKind::of_host(&smtp.host));
            let mut provider = Provider::of(kind);
            provider.selector_prefix = selector_prefix(smtp.preset, Some(&smtp.host));
            provider.envelope_domain = envelope(kind, smtp, config).map(str::to_owned);
            provider.own_keys = smtp.dkim.iter().map(|dkim| own_key(dkim, config, keys)).collect();
            provider
        }
        Kind::Brevo(_) => Provider::of(DomainKind::Brevo),
        Kind::Transactional(_) => Provider::of(DomainKind::MailchimpTransactional),
        Kind::Campaign(_) => Provider::of(DomainKind::Mailchimp),
        Kind::Outbox(_) => return None,
    };
    provider.name = one.name.to_string();
    provider.selectors.extend(one.selectors.iter().cloned());
    // `bind` of an SMTP server is what the relay sees, not what receivers see; Brevo sends from it.
    let seen = if matches!(one.kind, Kind::Brevo(_)) { &one.bind } else { &one.sends_from };
    provider.ips.clone_from(seen);
    provider.include.clone_from(&one.spf_include);
    Some(provider)
}

/// The domain of the envelope as receivers see it.
///
/// Brevo and Mailchimp Transactional put their own return path in the place of ours, over SMTP too; only
/// Mailchimp Transactional takes another, which lies below the From domain.
fn envelope<'a>(kind: DomainKind, smtp: &'a Smtp, config: &'a Config) -> Option<&'a str> {
    let from = config.identity.from.address.domain();
    let stated = smtp.envelope_from.as_ref().map(EnvelopeFrom::domain);
    match kind {
        DomainKind::MailchimpTransactional => stated.filter(|stated| !name::same(stated, from)),
        kind if kind.has_own_return_path() => None,
        _ => Some(stated.unwrap_or(from)),
    }
}

/// The key as DNS should know it. One that cannot be read is no reason not to check the rest.
fn own_key(dkim: &Dkim, config: &Config, keys: Keys) -> OwnKey {
    let is_read = keys == Keys::All || !dkim.key.is_command();
    let read = || {
        let secret = dkim.key.read(&config.base()).map_err(|error| error.to_string())?;
        record_of(secret.expose_secret()).map_err(|error| error.to_string())
    };
    let (record, fault) = match is_read.then(read) {
        Some(Ok(record)) => (Some(record), None),
        Some(Err(en)) => (None, Some(Text { fr: french(&en).unwrap_or_else(|| en.clone()), en })),
        None => (None, None),
    };
    OwnKey { domain: dkim.domain.clone(), selector: dkim.selector.clone(), record, fault }
}

fn unknown(name: &str, configured: &[Provider], context: &Context<'_>) -> Failure {
    let kinds = DomainKind::ALL.iter().map(|kind| kind.word());
    let known: Vec<&str> = configured.iter().map(|provider| provider.name.as_str()).chain(kinds).collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => say!(context.out, "config-did-you-mean", name = near),
        None => say!(context.out, "config-known-words", names = known.join(", ")),
    };
    Failure::usage("route.unknown", say!(context.out, "route-unknown", name = name)).with_hint(hint)
}
