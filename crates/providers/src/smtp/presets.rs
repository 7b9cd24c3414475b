//! Known servers: where they listen and what they allow, each with its source.
//!
//! "V" was read in the provider's own pages, "S" in a third party's, "M" is from memory, "D" is our
//! deduction; read in November 2026, none checked against the live service.

use super::config::Tls;

/// One known server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name in depeche.toml: `preset = "ovh-mxplan"`.
    pub name: &'static str,
    /// Its host; `None` where each account has its own, see [`Preset::notes`].
    pub host: Option<&'static str>,
    /// Its port.
    pub port: u16,
    /// How its line is secured.
    pub tls: Tls,
    /// Messages per hour.
    pub per_hour: Option<u32>,
    /// Messages per day.
    pub per_day: Option<u32>,
    /// Connections at a time.
    pub connections: Option<usize>,
    /// The most octets of one message.
    pub max_size_bytes: Option<u64>,
    /// What the user must know.
    pub notes: &'static str,
    /// Where all this comes from.
    pub source: &'static str,
}

/// The preset of that name.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// All presets.
#[must_use]
pub fn presets() -> &'static [Preset] {
    PRESETS
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "ovh-mxplan",
        host: Some("ssl0.ovh.net"),
        port: 465,
        tls: Tls::Implicit,
        per_hour: Some(200),
        per_day: None,
        connections: Some(1),
        max_size_bytes: None,
        notes: "the login is the whole address; in America and Asia-Pacific the host is smtp.mail.ovh.ca",
        source: "host and port: V OVH, MX Plan and Zimbra pages. 200 an hour: S claroline/Distribution#2267 (2017), a user's report, no published figure. One connection: D",
    },
    Preset {
        name: "ovh-emailpro",
        host: None,
        port: 587,
        tls: Tls::StartTls,
        per_hour: Some(200),
        per_day: None,
        connections: Some(1),
        max_size_bytes: None,
        notes: "give the host: pro1.mail.ovh.net, pro2 … as the control panel shows it; the login is the whole address",
        source: "host and port: V OVH, Email Pro first configuration. Limits: as ovh-mxplan, D",
    },
    Preset {
        name: "ovh-exchange",
        host: None,
        port: 587,
        tls: Tls::StartTls,
        per_hour: Some(200),
        per_day: None,
        connections: Some(1),
        max_size_bytes: None,
        notes: "give the host: ex1.mail.ovh.net, ex2 … as the control panel shows it; the login is the whole address",
        source: "host and port: M, the pattern of Email Pro. Limits: as ovh-mxplan, D",
    },
    Preset {
        name: "brevo-smtp",
        host: Some("smtp-relay.brevo.com"),
        port: 465,
        tls: Tls::Implicit,
        per_hour: None,
        per_day: None,
        connections: None,
        max_size_bytes: None,
        notes: "the password is the SMTP key (xsmtpsib-…), not the API key; the limits are those of the plan",
        source: "V developers.brevo.com, smtp-integration; symfony/symfony uses port 465. Form of the key: M",
    },
    Preset {
        name: "mailchimp-transactional-smtp",
        host: Some("smtp.mandrillapp.com"),
        port: 587,
        tls: Tls::StartTls,
        per_hour: None,
        per_day: None,
        connections: None,
        max_size_bytes: Some(25 * 1024 * 1024),
        notes: "the password is an API key, the user name any text; the hourly quota is that of the account",
        source: "host and port: V symfony/symfony. 25 MB a message: M",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_that_the_documentation_promises_exist_with_a_source() {
        for name in
            ["ovh-mxplan", "ovh-emailpro", "ovh-exchange", "brevo-smtp", "mailchimp-transactional-smtp"]
        {
            let preset = preset(name).unwrap();
            assert!(!preset.source.is_empty() && !preset.notes.is_empty());
            assert_ne!(preset.tls, Tls::None, "{name}");
            assert_eq!(preset.port, if preset.tls == Tls::Implicit { 465 } else { 587 }, "{name}");
            assert!(preset.host.is_some() || preset.notes.contains("give the host"));
        }
    }

    #[test]
    fn an_unknown_preset_is_none() {
        assert_eq!(preset("ovh"), None);
    }
}
