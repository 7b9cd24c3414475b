//! `[serve]`: what `depeche serve` listens on, and how each provider proves itself; and the secret that
//! signs opt-out links. docs/after-the-send.md explains both.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use depeche::opt_out::{SignedLinks, TokenKeys};
use depeche::provider::ProviderName;
use depeche::receiver::{BrevoAuth, Hook, Lang, OptOutLinks, Patience, Settings};
use depeche::secret::Secret;
use ipnet::IpNet;
use jiff::civil::Date;

use super::Config;
use super::provider::{Kind, ProviderConfig, guarded};
use super::reader::{Found, Reader, Section};
use super::secret::SecretSource;
use crate::failure::Failure;
use crate::words::say;

/// `[serve]`.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    /// Where the world (or the proxy before it) comes in.
    pub(crate) listen: SocketAddr,
    /// `/healthz` and `/metrics` apart; on `listen` when absent.
    pub(crate) operations: Option<SocketAddr>,
    /// How the world names `listen`, without a slash at its end.
    pub(crate) public_url: String,
    /// The providers' webhooks.
    pub(crate) webhooks: Vec<WebhookConfig>,
    trusted_proxies: Vec<IpNet>,
    lang: Lang,
}

/// `[[serve.webhook]]`.
#[derive(Debug)]
pub(crate) struct WebhookConfig {
    /// In the path, and as the source of its events.
    pub(crate) name: ProviderName,
    proof: Proof,
}

/// How the sender of a webhook proves itself.
#[derive(Debug)]
enum Proof {
    Bearer(SecretSource),
    Basic(String, SecretSource),
    Networks(Vec<IpNet>),
    Signed(Vec<SecretSource>),
    SecretInUrl(SecretSource),
}

/// What signs opt-out links.
#[derive(Debug)]
pub(crate) struct OptOutConfig {
    /// The first signs, all verify.
    secrets: Vec<SecretSource>,
    /// How long a link holds from the day of the run on.
    valid_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HookKind {
    Brevo,
    Transactional,
    Audience,
}

/// Two years: opt-outs are asked for long after a release.
const VALID_FOR: Duration = Duration::from_secs(730 * 86_400);

impl OptOutConfig {
    /// From `[unsubscribe]`; `None` without a secret.
    pub(super) fn read<'a>(
        reader: &mut Reader<'a>,
        section: &mut Section<'a>,
        file: (&Path, Option<u32>),
    ) -> Option<Self> {
        let secret = reader.secret(section, "secret");
        let old = reader.secret(section, "old_secret");
        let valid_for = reader.duration(section, "valid_for").unwrap_or(VALID_FOR);
        let secret = guarded(reader, secret, file);
        let old = guarded(reader, old, file);
        Some(Self { secrets: std::iter::once(secret?).chain(old).collect(), valid_for })
    }

    /// The last day on which the links of a run of this day hold, UTC.
    pub(crate) fn last_day(&self, from: jiff::Timestamp) -> Date {
        let wait = jiff::SignedDuration::try_from(self.valid_for).unwrap_or(jiff::SignedDuration::MAX);
        let until = from.saturating_add(wait).unwrap_or(jiff::Timestamp::MAX);
        jiff::tz::Offset::UTC.to_datetime(until).date()
    }
}

impl ServeConfig {
    /// Reads `[serve]`.
    pub(super) fn read<'a>(
        reader: &mut Reader<'a>,
        root: &mut Section<'a>,
        providers: &[ProviderConfig],
        file: (&Path, Option<u32>),
    ) -> Option<Self> {
        let mut section = reader.section(root, "serve")?;
        let listen = reader.needed(&mut section, "listen");
        let listen = reader.parsed(listen, str::parse::<SocketAddr>);
        let operations = reader.text(&mut section, "operations");
        let operations = reader.parsed(operations, str::parse::<SocketAddr>);
        let public_url = reader.needed(&mut section, "public_url");
        let public_url = public_url.and_then(|found| public(reader, found));
        let trusted_proxies = networks(reader, &mut section, "trusted_proxies");
        let lang = reader.word(&mut section, "lang", &[("fr", Lang::Fr), ("en", Lang::En)]);
        let mut webhooks: Vec<WebhookConfig> = Vec::new();
        for webhook in reader.sections(&mut section, "webhook") {
            let span = webhook.span.clone();
            let Some(webhook) = read_webhook(reader, webhook, providers, file) else { continue };
            if webhooks.iter().any(|other| other.name == webhook.name) {
                let message = say!(reader, "config-webhook-twice", name = webhook.name.to_string());
                reader.problem("config.webhook-twice", message, None, span);
            }
            webhooks.push(webhook);
        }
        reader.finish(section);
        Some(Self {
            listen: listen?,
            operations,
            public_url: public_url?,
            webhooks,
            trusted_proxies,
            lang: lang.unwrap_or_default(),
        })
    }

    /// The address of an opt-out link, with `{token}` in it.
    pub(crate) fn stop_url(&self) -> String {
        format!("{}/stop/{{token}}", self.public_url)
    }

    /// What a provider is to be told as the address of its webhook. The secret of an audience stands behind
    /// it, and is not shown.
    pub(crate) fn hook_url(&self, webhook: &WebhookConfig) -> String {
        let url = format!("{}/webhook/{}", self.public_url, webhook.name);
        if matches!(webhook.proof, Proof::SecretInUrl(_)) { format!("{url}/…") } else { url }
    }
}

fn public(reader: &mut Reader<'_>, found: Found<String>) -> Option<String> {
    let url = found.value.trim_end_matches('/');
    let is_good =
        url.len() > "https://".len() && url.starts_with("https://") && !url.contains(['?', '#', ' ']);
    if !is_good {
        reader.problem("config.value", say!(reader, "config-public-url"), None, found.span);
        return None;
    }
    Some(url.to_owned())
}

/// Networks, or single addresses; `published` is what Brevo says of itself.
fn networks<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, key: &'static str) -> Vec<IpNet> {
    let mut all = Vec::new();
    for found in reader.texts(section, key) {
        if found.value == "published"
            && let BrevoAuth::Networks(published) = BrevoAuth::published_networks()
        {
            all.extend(published);
            continue;
        }
        let network = |text: &str| match text.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => text.parse::<IpNet>(),
        };
        all.extend(reader.parsed(Some(found), network));
    }
    all
}

fn read_webhook<'a>(
    reader: &mut Reader<'a>,
    mut section: Section<'a>,
    providers: &[ProviderConfig],
    file: (&Path, Option<u32>),
) -> Option<WebhookConfig> {
    section.path = "serve.webhook".to_owned();
    let name = reader.needed(&mut section, "name");
    let name = reader.parsed(name, ProviderName::new);
    let kinds = [
        ("brevo", HookKind::Brevo),
        ("mailchimp-transactional", HookKind::Transactional),
        ("mailchimp-audience", HookKind::Audience),
    ];
    let stated = reader.word(&mut section, "kind", &kinds);
    let of_provider = providers.iter().find(|provider| Some(&provider.name) == name.as_ref());
    let known = of_provider.and_then(|provider| match provider.kind {
        Kind::Brevo(_) => Some(HookKind::Brevo),
        Kind::Transactional(_) => Some(HookKind::Transactional),
        // The audience behind it tells who left.
        Kind::Campaign(_) => Some(HookKind::Audience),
        Kind::Smtp(_) | Kind::Outbox(_) => None,
    });
    let span = section.span.clone();
    let Some(kind) = stated.or(known) else {
        // Without its kind nobody can say which keys it should have.
        let shown = name.map(|name| name.to_string()).unwrap_or_default();
        let message = say!(reader, "config-webhook-kind", name = shown);
        let hint = say!(reader, "config-known-words", names = kinds.map(|(word, _)| word).join(", "));
        reader.problem("config.webhook-kind", message, Some(hint), span);
        return None;
    };
    let proof = read_proof(reader, &mut section, kind, file);
    if proof.is_none() {
        let keys = match kind {
            HookKind::Brevo => "bearer, user + password, networks",
            HookKind::Transactional => "key",
            HookKind::Audience => "secret",
        };
        let message = say!(reader, "config-webhook-proof", keys = keys);
        reader.problem("config.webhook-proof", message, None, span);
    }
    reader.finish(section);
    Some(WebhookConfig { name: name?, proof: proof? })
}

fn read_proof<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    kind: HookKind,
    file: (&Path, Option<u32>),
) -> Option<Proof> {
    let mut secret = |reader: &mut Reader<'a>, key| {
        let found = reader.secret(section, key);
        guarded(reader, found, file)
    };
    match kind {
        HookKind::Audience => secret(reader, "secret").map(Proof::SecretInUrl),
        HookKind::Transactional => {
            let key = secret(reader, "key");
            let old = secret(reader, "old_key");
            Some(Proof::Signed(std::iter::once(key?).chain(old).collect()))
        }
        HookKind::Brevo => {
            let bearer = secret(reader, "bearer").map(Proof::Bearer);
            let password = secret(reader, "password");
            let user = reader.text(section, "user").map(|found| found.value);
            let basic = user.zip(password).map(|(user, password)| Proof::Basic(user, password));
            let networks = networks(reader, section, "networks");
            let networks = (!networks.is_empty()).then_some(Proof::Networks(networks));
            let mut stated: Vec<Proof> = [bearer, basic, networks].into_iter().flatten().collect();
            // Exactly one: a weaker one beside it would make the stronger one pointless.
            if stated.len() == 1 { stated.pop() } else { None }
        }
    }
}

impl Config {
    /// The keys that sign and verify opt-out links; `None` when none is configured.
    pub(crate) fn opt_out_keys(&self) -> Result<Option<TokenKeys>, Failure> {
        let Some(opt_out) = &self.opt_out else { return Ok(None) };
        let secrets = opt_out
            .secrets
            .iter()
            .map(|source| self.secret("unsubscribe", source))
            .collect::<Result<Vec<Secret>, _>>()?;
        let keys = TokenKeys::new(&secrets)
            .map_err(|error| Failure::usage("unsubscribe.secret", error).with_hint("openssl rand -hex 32"))?;
        Ok(Some(keys))
    }

    /// What goes into the links of a run whose links end on `last_day`.
    pub(crate) fn signed_links(&self, last_day: Date) -> Result<Option<SignedLinks>, Failure> {
        Ok(self.opt_out_keys()?.map(|keys| SignedLinks { keys, last_day }))
    }

    /// The last day of the links of a run that begins now; `None` when its messages have no signed link.
    pub(crate) fn links_until(&self, now: jiff::Timestamp) -> Option<Date> {
        let has_token = self.identity.unsubscribe.url.as_ref().is_some_and(|url| url.contains("{token}"));
        self.opt_out.as_ref().filter(|_| has_token).map(|opt_out| opt_out.last_day(now))
    }

    /// What the receiver takes, secrets read.
    pub(crate) fn receiver_settings(&self, serve: &ServeConfig) -> Result<Settings, Failure> {
        let mut hooks = BTreeMap::new();
        for webhook in &serve.webhooks {
            hooks.insert(webhook.name.clone(), self.hook(serve, webhook)?);
        }
        let identity = &self.identity;
        let write_to = identity.unsubscribe.mailto.clone().or_else(|| identity.reply_to.clone());
        let opt_out = self.opt_out_keys()?.map(|keys| OptOutLinks {
            keys,
            organisation: identity.organisation.name.clone(),
            mailto: write_to.unwrap_or_else(|| identity.from.address.clone()),
            lang: serve.lang,
        });
        let trusted_proxies = serve.trusted_proxies.clone();
        Ok(Settings { hooks, opt_out, trusted_proxies, patience: Patience::default() })
    }

    fn hook(&self, serve: &ServeConfig, webhook: &WebhookConfig) -> Result<Hook, Failure> {
        let read = |source: &SecretSource| self.secret(webhook.name.as_str(), source);
        Ok(match &webhook.proof {
            Proof::Bearer(secret) => Hook::Brevo(BrevoAuth::Bearer(read(secret)?)),
            Proof::Basic(user, password) => {
                Hook::Brevo(BrevoAuth::Basic { user: user.clone(), password: read(password)? })
            }
            Proof::Networks(networks) => Hook::Brevo(BrevoAuth::Networks(networks.clone())),
            Proof::Signed(keys) => Hook::Mandrill {
                keys: keys.iter().map(read).collect::<Result<_, _>>()?,
                url: serve.hook_url(webhook),
            },
            Proof::SecretInUrl(secret) => Hook::MailchimpAudience { secret: read(secret)? },
        })
    }

    fn secret(&self, of: &str, source: &SecretSource) -> Result<Secret, Failure> {
        source.read(&self.base()).map_err(|error| {
            let mut failure = Failure::usage("serve.secret", format!("{of}: {error}"));
            failure.hint = error.hint();
            failure
        })
    }
}
