//! The kinds of provider, and what is known about each.

use std::net::IpAddr;

use super::Witness;
use crate::dkim::{KeyLookup, OwnKey};
use crate::name;

/// A kind of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// OVHcloud's mail offers.
    Ovh,
    /// Brevo, on shared addresses.
    Brevo,
    /// Mailchimp campaigns.
    Mailchimp,
    /// Mailchimp Transactional, once Mandrill.
    MailchimpTransactional,
    /// Any other SMTP server.
    Smtp,
}

/// What is known about a kind.
pub(crate) struct Facts {
    /// Its name for people.
    pub(crate) label: &'static str,
    /// What an SPF record includes for it.
    pub(crate) spf_include: Option<&'static str>,
    /// Its own return path, in the place of the customer's.
    pub(crate) return_path: Option<&'static str>,
    /// Sets of selectors; one whole set is enough.
    pub(crate) selector_sets: &'static [&'static [&'static str]],
    /// Where their CNAME records lead.
    pub(crate) key_zone: Option<&'static str>,
}

impl Kind {
    /// All kinds that are known by name.
    pub const ALL: [Self; 5] =
        [Self::Ovh, Self::Brevo, Self::Mailchimp, Self::MailchimpTransactional, Self::Smtp];

    /// The word of `--provider` and of depeche.toml.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ovh => "ovh",
            Self::Brevo => "brevo",
            Self::Mailchimp => "mailchimp",
            Self::MailchimpTransactional => "mailchimp-transactional",
            Self::Smtp => "smtp",
        }
    }

    /// The kind of a word: of `--provider`, of `kind =` or of `preset =` in depeche.toml.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        match word.as_str() {
            "mailchimp-campaign" => Some(Self::Mailchimp),
            "mandrill" => Some(Self::MailchimpTransactional),
            _ if word.starts_with("ovh-") => Some(Self::Ovh),
            _ => Self::ALL.into_iter().find(|kind| kind.word() == word),
        }
    }

    /// The kind of a provider of depeche.toml, by its `kind`, its `preset` and its `host`.
    ///
    /// `None` for one that puts nothing on the wire (`outbox`), and for an unknown word.
    #[must_use]
    pub fn configured(kind: &str, preset: Option<&str>, host: Option<&str>) -> Option<Self> {
        match Self::from_word(kind)? {
            Self::Smtp => {
                let by_preset = preset.and_then(Self::from_word);
                Some(by_preset.or_else(|| host.map(Self::of_host)).unwrap_or(Self::Smtp))
            }
            other => Some(other),
        }
    }

    /// The kind behind an SMTP server's name.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        let known = [
            ("ovh.net", Self::Ovh),
            ("mail.ovh.ca", Self::Ovh),
            ("brevo.com", Self::Brevo),
            ("sendinblue.com", Self::Brevo),
            ("mandrillapp.com", Self::MailchimpTransactional),
        ];
        known.into_iter().find(|(zone, _)| name::is_within(host, zone)).map_or(Self::Smtp, |(_, kind)| kind)
    }

    /// Whose key it is, by the zone that its CNAME leads into; `None` when that says nothing.
    #[must_use]
    pub fn of_key(key: &KeyLookup) -> Option<Self> {
        let leads = |kind: &Self| kind.facts().key_zone.is_some_and(|zone| key.leads_to(zone) == Some(true));
        Self::ALL.into_iter().find(leads)
    }

    /// Its name for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.facts().label
    }

    /// Whether mail through it has an envelope sender of the provider's own, whatever it was handed; over SMTP
    /// too.
    #[must_use]
    pub fn has_own_return_path(self) -> bool {
        self.facts().return_path.is_some()
    }

    /// Whether it replaces the From address of a domain that it does not know.
    #[must_use]
    pub fn rewrites_from(self) -> bool {
        matches!(self, Self::Brevo | Self::Mailchimp | Self::MailchimpTransactional)
    }

    pub(crate) fn facts(self) -> Facts {
        match self {
            Self::Ovh => Facts {
                label: "OVH",
                spf_include: Some("mx.ovh.com"),
                return_path: None,
                // The account number in the other names cannot be guessed.
                selector_sets: &[&["ovhmo-selector-1", "ovhmo-selector-2"]],
                key_zone: Some("dkim.mail.ovh.net"),
            },
            Self::Brevo => Facts {
                label: "Brevo",
                spf_include: Some("spf.brevo.com"),
                return_path: Some("sender-sib.com"),
                selector_sets: &[&["brevo1", "brevo2"], &["mail"]],
                key_zone: Some("dkim.brevo.com"),
            },
            Self::Mailchimp => Facts {
                label: "Mailchimp",
                spf_include: Some("servers.mcsv.net"),
                return_path: Some("mcsv.net"),
                selector_sets: &[&["k2", "k3"], &["k1"]],
                key_zone: Some("mcsv.net"),
            },
            Self::MailchimpTransactional => Facts {
                label: "Mailchimp Transactional",
                spf_include: Some("spf.mandrillapp.com"),
                return_path: Some("mandrillapp.com"),
                selector_sets: &[&["mte1", "mte2"], &["mandrill"]],
                key_zone: Some("mandrillapp.com"),
            },
            Self::Smtp => Facts {
                label: "SMTP",
                spf_include: None,
                return_path: None,
                selector_sets: &[],
                key_zone: None,
            },
        }
    }
}

/// A provider as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in depeche.toml, or its kind's word.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Selectors that the user knows it signs with.
    pub selectors: Vec<String>,
    /// How the selectors of its offer begin, where that is known ([`selector_prefix`]).
    pub selector_prefix: Option<&'static str>,
    /// The domain of its envelope sender, when the user set one (a custom return path).
    pub envelope_domain: Option<String>,
    /// The `d=` it signs with, when it is not the From domain.
    pub dkim_domain: Option<String>,
    /// The keys that depeche signs with in its place; each signs every message.
    pub own_keys: Vec<OwnKey>,
    /// What speaks about it beside DNS: its own word, a message that arrived.
    pub witnesses: Vec<Witness>,
    /// The addresses it sends from, when the user knows them.
    pub ips: Vec<IpAddr>,
    /// What an SPF record includes for it, when the user knows it.
    pub include: Option<String>,
}

impl Provider {
    /// A provider of that kind, with everything else as it usually is.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self {
            name: kind.word().to_owned(),
            kind,
            selectors: Vec::new(),
            selector_prefix: None,
            envelope_domain: None,
            dkim_domain: None,
            own_keys: Vec::new(),
            witnesses: Vec::new(),
            ips: Vec::new(),
            include: None,
        }
    }

    /// A provider of a word of `--provider`, of `kind =` or of `preset =`; `None` for an unknown one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let selector_prefix = selector_prefix(Some(word), None);
        Kind::from_word(word).map(|kind| Self { selector_prefix, ..Self::of(kind) })
    }

    /// Whether a selector may be one that it signs with: not that of another of OVH's offers.
    pub(super) fn may_sign_with(&self, selector: &str) -> bool {
        let selector = selector.to_ascii_lowercase();
        let others = ["ovhmo", "ovhemp", "ovhex"].into_iter().filter(|of| Some(*of) != self.selector_prefix);
        self.selector_prefix.is_none() || !others.into_iter().any(|other| selector.starts_with(other))
    }

    /// With another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What an SPF record includes for it.
    #[must_use]
    pub fn spf_include(&self) -> Option<&str> {
        self.include.as_deref().or(self.kind.facts().spf_include)
    }

    /// The domain of the envelope, when it is not the provider's own: the user's choice, or `from`.
    #[must_use]
    pub fn envelope<'a>(&'a self, from: &'a str) -> Option<&'a str> {
        match (&self.envelope_domain, self.kind.facts().return_path) {
            (Some(own), _) => Some(own),
            (None, Some(_)) => None,
            (None, None) => Some(from),
        }
    }
}

/// How the selectors of one of OVH's offers begin (OVH's page on DKIM, read in 2026), by the preset or by the
/// server's name. The keys of one offer do not sign what goes through another.
#[must_use]
pub fn selector_prefix(preset: Option<&str>, host: Option<&str>) -> Option<&'static str> {
    let is_numbered = |label: &str, word: &str| {
        let number = label.strip_prefix(word);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let label = host.split('.').next().unwrap_or_default();
    let is_ovh = Kind::of_host(&host) == Kind::Ovh;
    match preset {
        Some("ovh-mxplan") => Some("ovhmo"),
        Some("ovh-emailpro") => Some("ovhemp"),
        Some("ovh-exchange") => Some("ovhex"),
        _ if is_ovh && is_numbered(label, "pro") => Some("ovhemp"),
        _ if is_ovh && is_numbered(label, "ex") => Some("ovhex"),
        _ if ["ssl0.ovh.net", "smtp.mail.ovh.net", "smtp.mail.ovh.ca"].contains(&host.as_str()) => {
            Some("ovhmo")
        }
        _ => None,
    }
}

/// Whether a key that a provider's own CNAME should lead to is reached; `None` where any record will do.
///
/// Brevo's targets hold the customer's domain, Mailchimp's and Mailchimp Transactional's the number of the
/// selector (both read in public zones), OVH's begin with the selector itself (OVH's page on DKIM). Another
/// customer's or another selector's name holds another key, with which the provider does not sign here.
pub(super) fn reaches_its_target(kind: Kind, key: &KeyLookup) -> Option<bool> {
    let selector = key.selector.to_ascii_lowercase();
    if kind == Kind::Ovh {
        // A selector of another shape may be of a server of one's own that OVH hosts.
        let is_asked = !key.aliases.is_empty() || selector.starts_with("ovh");
        let own = format!("{selector}._domainkey.");
        let is_own = |target: &str| target.to_ascii_lowercase().starts_with(&own);
        let zone = kind.facts().key_zone.unwrap_or_default();
        let mut targets = key.aliases.iter().map(|alias| alias.target.as_str());
        return is_asked.then(|| targets.any(|target| name::is_within(target, zone) && is_own(target)));
    }
    let mut asked = key_targets(kind, &key.domain);
    if kind == Kind::Mailchimp {
        // The one key of older accounts: no longer asked for, and still signed with.
        asked.push(("k1", "dkim.mcsv.net".to_owned()));
    }
    asked.into_iter().find(|(own, _)| *own == selector).map(|(_, target)| key.passes_through(&target))
}

/// The CNAME records that a provider asks for: selector and target, for those that can be foreseen.
#[must_use]
pub fn key_targets(kind: Kind, domain: &str) -> Vec<(&'static str, String)> {
    let dashes = domain.replace('.', "-");
    match kind {
        Kind::Brevo => vec![
            ("brevo1", format!("b1.{dashes}.dkim.brevo.com")),
            ("brevo2", format!("b2.{dashes}.dkim.brevo.com")),
        ],
        Kind::Mailchimp => vec![("k2", "dkim2.mcsv.net".to_owned()), ("k3", "dkim3.mcsv.net".to_owned())],
        Kind::MailchimpTransactional => {
            vec![("mte1", "dkim1.mandrillapp.com".to_owned()), ("mte2", "dkim2.mandrillapp.com".to_owned())]
        }
        Kind::Ovh | Kind::Smtp => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_word_its_preset_and_its_server() {
        assert_eq!(Kind::from_word("ovh-mxplan"), Some(Kind::Ovh));
        assert_eq!(Kind::from_word("mailchimp-campaign"), Some(Kind::Mailchimp));
        assert_eq!(Kind::from_word("sendgrid"), None);
        assert_eq!(Kind::of_host("ssl0.ovh.net"), Kind::Ovh);
        assert_eq!(Kind::of_host("smtp-relay.brevo.com"), Kind::Brevo);
        assert_eq!(Kind::of_host("mail.exemple.fr"), Kind::Smtp);
        assert_eq!(Kind::configured("smtp", Some("ovh-mxplan"), None), Some(Kind::Ovh));
        assert_eq!(Kind::configured("smtp", None, Some("smtp-relay.brevo.com")), Some(Kind::Brevo));
        assert_eq!(Kind::configured("outbox", None, None), None);
    }

    #[test]
    fn an_offer_of_ovh_is_known_by_its_preset_and_its_server() {
        let by_host = |host| selector_prefix(None, Some(host));
        assert_eq!(selector_prefix(Some("ovh-exchange"), Some("mail.exemple.fr")), Some("ovhex"));
        assert_eq!(by_host("ssl0.ovh.net"), Some("ovhmo"));
        assert_eq!(by_host("pro1.mail.ovh.net"), Some("ovhemp"));
        assert_eq!(by_host("EX4.mail.ovh.net"), Some("ovhex"));
        assert_eq!(by_host("ex4.mail.exemple.fr"), None);
        assert_eq!(by_host("express.mail.ovh.net"), None);
        assert_eq!(Provider::from_word("ovh").unwrap().selector_prefix, None);
    }

    #[test]
    fn the_targets_of_brevo_hold_the_domain_with_dashes() {
        let targets = key_targets(Kind::Brevo, "exemple.fr");
        assert_eq!(targets[0], ("brevo1", "b1.exemple-fr.dkim.brevo.com".to_owned()));
    }
}
