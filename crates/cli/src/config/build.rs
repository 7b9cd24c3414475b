//! From depeche.toml to providers that can be used. Here secrets are read.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use depeche::clock::Clock;
use depeche::engine::LinkConfig;
use depeche::provider::{Provider, ProviderName};
use depeche::providers::brevo::{BrevoConfig, BrevoProvider};
use depeche::providers::http::{HttpConfig, HttpConfigError};
use depeche::providers::mailchimp::campaign::{CampaignConfig, CampaignProvider};
use depeche::providers::mailchimp::transactional::{TransactionalConfig, TransactionalProvider};
use depeche::providers::outbox::OutboxProvider;
use depeche::providers::smtp::{Credentials, DkimConfig, SmtpConfig, SmtpProvider};

use super::provider::{Account, Campaign, Kind, ProviderConfig, Smtp};
use super::secret::SecretSource;
use super::{Config, nearest};
use crate::failure::Failure;
use crate::words::{Words, say};

impl Config {
    /// The chain: the providers that `route` names, in its order; all when it names none.
    pub(crate) fn chain(
        &self,
        route: &[ProviderName],
        clock: &Arc<dyn Clock>,
    ) -> Result<Vec<LinkConfig>, Failure> {
        let mut links = Vec::new();
        let mut problems = Vec::new();
        for provider in self.providers.iter().filter(|provider| route.contains(&provider.name)) {
            match self.link(provider, clock) {
                Ok(link) => links.push(link),
                Err(problem) => problems.push(problem),
            }
        }
        links.sort_by_key(|link| route.iter().position(|name| name == link.provider.name()));
        match Failure::all(problems) {
            Some(failure) => Err(failure),
            None => Ok(links),
        }
    }

    /// The names that `--route` gives, each a provider of the file; all of the file when it gives none.
    pub(crate) fn route(&self, asked: &[String], words: &Words) -> Result<Vec<ProviderName>, Failure> {
        struct Has<'w> {
            words: &'w Words,
        }
        let has = Has { words };
        let known: Vec<&str> = self.providers.iter().map(|provider| provider.name.as_str()).collect();
        if known.is_empty() {
            let file = self.file.display().to_string();
            return Err(Failure::usage("config.no-provider", say!(has, "config-no-provider", file = file)));
        }
        if asked.is_empty() {
            return Ok(self.providers.iter().map(|provider| provider.name.clone()).collect());
        }
        let mut route = Vec::new();
        for name in asked {
            let Some(found) = self.providers.iter().find(|provider| provider.name.as_str() == name) else {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => say!(has, "config-did-you-mean", name = near),
                    None => say!(has, "config-known-words", names = known.join(", ")),
                };
                let message = say!(has, "route-unknown", name = name);
                return Err(Failure::usage("route.unknown", message).with_hint(hint));
            };
            if !route.contains(&found.name) {
                route.push(found.name.clone());
            }
        }
        Ok(route)
    }

    /// One provider.
    pub(crate) fn link(
        &self,
        config: &ProviderConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<LinkConfig, Failure> {
        let provider = self.provider(config, clock)?;
        Ok(LinkConfig { provider, limits: config.limits, config_digest: digest_of(config) })
    }

    fn provider(
        &self,
        config: &ProviderConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Provider>, Failure> {
        let base = self.base();
        Ok(match &config.kind {
            Kind::Smtp(smtp) => Arc::new(smtp_provider(config, smtp, &base, clock)?),
            Kind::Brevo(account) => Arc::new(self.brevo(config, account, &base, clock)?),
            Kind::Transactional(account) => Arc::new(self.transactional(config, account, &base, clock)?),
            Kind::Campaign(campaign) => Arc::new(self.campaign(config, campaign, &base, clock)?),
            Kind::Outbox(folder) => Arc::new(OutboxProvider::new(config.name.clone(), base.join(folder))),
        })
    }

    fn brevo(
        &self,
        config: &ProviderConfig,
        account: &Account,
        base: &Path,
        clock: &Arc<dyn Clock>,
    ) -> Result<BrevoProvider, Failure> {
        let mut made = BrevoConfig::new(config.name.clone(), secret(config, &account.api_key, base)?);
        http(&mut made.http, config, account.base_url.as_ref(), base);
        made.batch = account.batch;
        made.sender_ips.clone_from(&config.bind);
        if let Some(lanes) = config.connections {
            made.lanes = lanes as usize;
        }
        made.sender_domain = Some(self.identity.from.address.domain().to_owned());
        made.sender_address = Some(self.identity.from.address.clone());
        BrevoProvider::new(made, Arc::clone(clock)).map_err(|error| unusable_http(config, &error))
    }

    fn transactional(
        &self,
        config: &ProviderConfig,
        account: &Account,
        base: &Path,
        clock: &Arc<dyn Clock>,
    ) -> Result<TransactionalProvider, Failure> {
        let mut made = TransactionalConfig::new(config.name.clone(), secret(config, &account.api_key, base)?);
        http(&mut made.http, config, account.base_url.as_ref(), base);
        if let Some(lanes) = config.connections {
            made.lanes = lanes as usize;
        }
        made.sender_domain = Some(self.identity.from.address.domain().to_owned());
        made.mode = account.mode;
        made.ip_pool.clone_from(&account.ip_pool);
        made.path_suffix.clone_from(&account.path_suffix);
        TransactionalProvider::new(made, Arc::clone(clock)).map_err(|error| unusable_http(config, &error))
    }

    fn campaign(
        &self,
        config: &ProviderConfig,
        campaign: &Campaign,
        base: &Path,
        clock: &Arc<dyn Clock>,
    ) -> Result<CampaignProvider, Failure> {
        let unusable = |error: HttpConfigError| unusable_http(config, &error);
        let key = secret(config, &campaign.api_key, base)?;
        let (name, audience) = (config.name.clone(), campaign.audience.clone());
        let mut made = match &campaign.base_url {
            Some(url) => CampaignConfig::at(name, key, audience, url),
            None => CampaignConfig::new(name, key, audience).map_err(unusable)?,
        };
        http(&mut made.http, config, None, base);
        made.sent_within = campaign.sent_within.unwrap_or(made.sent_within);
        made.sender_domain = Some(self.identity.from.address.domain().to_owned());
        CampaignProvider::new(made, Arc::clone(clock)).map_err(unusable)
    }
}

fn smtp_provider(
    config: &ProviderConfig,
    smtp: &Smtp,
    base: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<SmtpProvider, Failure> {
    let mut made = SmtpConfig::new(config.name.clone(), smtp.host.clone());
    made.port = smtp.port;
    made.tls = smtp.tls;
    if let Some((username, password)) = &smtp.credentials {
        let password = secret(config, password, base)?;
        made.credentials = Some(Credentials { username: username.clone(), password });
    }
    made.envelope_from.clone_from(&smtp.envelope_from);
    made.ca_file = config.ca_file.as_ref().map(|file| base.join(file));
    made.bind.clone_from(&config.bind);
    made.helo.clone_from(&smtp.helo);
    if let Some(connections) = config.connections {
        made.connections = connections as usize;
    }
    made.per_connection = smtp.per_connection;
    made.pipeline_next = smtp.pipeline_next.unwrap_or(made.pipeline_next);
    made.max_size_bytes = smtp.max_size_bytes;
    for dkim in &smtp.dkim {
        let key = secret(config, &dkim.key, base)?;
        made.dkim.push(DkimConfig { domain: dkim.domain.clone(), selector: dkim.selector.clone(), key });
    }
    let stated = config.timeouts;
    let timeouts = &mut made.timeouts;
    timeouts.connect = stated.connect.unwrap_or(timeouts.connect);
    timeouts.command = stated.command.unwrap_or(timeouts.command);
    timeouts.data_block = stated.data_block.unwrap_or(timeouts.data_block);
    timeouts.data_end = stated.data_end.unwrap_or(timeouts.data_end);
    let made = SmtpProvider::new(made).map_err(|error| {
        Failure::usage("provider.unusable", format!("{}: {error}", config.name)).with_hint(error.hint())
    })?;
    Ok(made.with_clock(Arc::clone(clock)))
}

pub(super) fn http(made: &mut HttpConfig, config: &ProviderConfig, base_url: Option<&String>, base: &Path) {
    if let Some(url) = base_url {
        made.base_url.clone_from(url);
    }
    made.ca_file = config.ca_file.as_ref().map(|file| base.join(file));
    let timeouts = &mut made.timeouts;
    timeouts.connect = config.timeouts.connect.unwrap_or(timeouts.connect);
    timeouts.answer = config.timeouts.command.unwrap_or(timeouts.answer);
    timeouts.total = config.timeouts.data_end.unwrap_or(timeouts.total);
}

pub(super) fn secret(
    config: &ProviderConfig,
    source: &SecretSource,
    base: &Path,
) -> Result<depeche::secret::Secret, Failure> {
    source.read(base).map_err(|error| {
        let mut failure = Failure::usage("provider.secret", format!("{}: {error}", config.name));
        failure.hint = error.hint();
        failure
    })
}

pub(super) fn unusable_http(config: &ProviderConfig, error: &HttpConfigError) -> Failure {
    Failure::usage("provider.unusable", format!("{}: {error}", config.name)).with_hint(error.hint())
}

/// What names the account, and what this machine comes with: a change closes a breaker left open. Windows
/// and deadlines are no reason to trust a provider again, and each machine of a fleet has its own addresses.
fn digest_of(config: &ProviderConfig) -> [u8; 32] {
    let account = match &config.kind {
        Kind::Smtp(smtp) => {
            let name = smtp.credentials.as_ref().map(|(name, _)| name);
            format!("{:?}", (&smtp.host, smtp.port, smtp.tls, name, &smtp.envelope_from))
        }
        Kind::Brevo(account) => format!("{:?}", &account.base_url),
        Kind::Transactional(account) => format!("{:?}", (&account.base_url, &account.ip_pool)),
        Kind::Campaign(campaign) => format!("{:?}", (&campaign.base_url, &campaign.audience)),
        Kind::Outbox(folder) => format!("{folder:?}"),
    };
    let account = sha256(&format!("{} {account}", config.kind.name()));
    let means = sha256(&format!("{:?}{:?}", config.kind.secret(), config.ca_file));
    depeche::journal::config_digest(&account, &means)
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use depeche::journal::BreakerRecord;
    use depeche::outcome::Trouble;

    use super::*;
    use crate::args::Lang;

    const OFFICE: &str = r#"
[organisation]
name = "Exemple SAS"
postal_address = "1 rue X, 75001 Paris"
[from]
name = "Presse"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
[[provider]]
name = "ovh"
"#;

    const OURS: &str = r#"kind = "smtp"
host = "ssl0.ovh.net"
port = 465
username = "presse@exemple.fr"
password = { env = "OVH_PASSWORD" }
bind = ["192.0.2.1"]
"#;

    fn digest_in(section: &str) -> [u8; 32] {
        let text = format!("{OFFICE}{section}");
        let config = Config::read(Path::new("depeche.toml"), &text, &Words::of(Lang::En));
        digest_of(&config.expect("a section of depeche.toml").providers[0])
    }

    fn kept(section: &str, trouble: Trouble) -> BreakerRecord {
        BreakerRecord {
            provider: ProviderName::new("ovh").expect("a fixed name"),
            config_digest: digest_in(section),
            open_since: Some(jiff::Timestamp::UNIX_EPOCH),
            reason: None,
            trouble: Some(trouble),
            resting_until: None,
        }
    }

    #[test]
    fn machines_of_a_fleet_have_one_account_with_own_addresses_secrets_and_authorities() {
        for (theirs, shares_login) in [
            (OURS.replace("192.0.2.1", "192.0.2.2"), true),
            (format!("{OURS}limits = {{ per_minute = 9 }}\n"), true),
            (OURS.replace("{ env = \"OVH_PASSWORD\" }", "{ file = \"/run/credentials/ovh\" }"), false),
            (format!("{OURS}ca_file = \"private.pem\"\n"), false),
        ] {
            let digest = digest_in(&theirs);
            let (dead, login) = (kept(OURS, Trouble::Unreachable), kept(OURS, Trouble::Credentials));
            assert!(dead.is_of_account(&digest) && dead.holds_for(&digest), "{theirs}");
            assert_eq!(
                (login.is_of_account(&digest), login.holds_for(&digest)),
                (true, shares_login),
                "{theirs}"
            );
        }
    }

    #[test]
    fn another_account_is_trusted_afresh() {
        let brevo = "kind = \"brevo\"\napi_key = { env = \"BREVO\" }\n".to_owned();
        for other in [
            OURS.replace("ssl0.ovh.net", "ex5.mail.ovh.net"),
            OURS.replace("465", "587"),
            OURS.replace("presse@", "com@"),
            brevo,
        ] {
            let digest = digest_in(&other);
            let dead = kept(OURS, Trouble::Unreachable);
            assert!(!dead.is_of_account(&digest) && !dead.holds_for(&digest), "{other}");
        }
    }
}
