//! `[[provider]]`: one link of the chain, as depeche.toml describes it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use depeche::budget::Limits;
use depeche::provider::ProviderName;
use depeche::providers::mailchimp::transactional::Mode;
use depeche::providers::smtp::{EnvelopeFrom, Preset, Tls, preset, presets};
use depeche::spare::Share;

use super::nearest::nearest;
use super::ovh::{self, Ovh};
use super::reader::{Found, Reader, Section};
use super::secret::SecretSource;
use crate::unix::open_mode;
use crate::words::say;

/// One provider.
#[derive(Debug, Clone)]
pub(crate) struct ProviderConfig {
    /// Its name.
    pub(crate) name: ProviderName,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its windows.
    pub(crate) limits: Limits,
    /// Connections (or requests) at a time.
    pub(crate) connections: Option<u32>,
    /// Certificates trusted besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Source addresses.
    pub(crate) bind: Vec<IpAddr>,
    /// The addresses that receivers see, for the domain check.
    pub(crate) sends_from: Vec<IpAddr>,
    /// Deadlines, where stated.
    pub(crate) timeouts: StatedTimeouts,
    /// Selectors that it is known to sign with, for the domain check.
    pub(crate) selectors: Vec<String>,
    /// What an SPF record includes for it, for the domain check.
    pub(crate) spf_include: Option<String>,
    /// The part of every run that goes through it, wherever it stands in the chain.
    pub(crate) share: Option<Share>,
    /// What OVHcloud's API is asked through, for the domain check.
    pub(crate) ovh: Option<Ovh>,
}

/// Deadlines, where stated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatedTimeouts {
    pub(crate) connect: Option<Duration>,
    pub(crate) command: Option<Duration>,
    pub(crate) data_block: Option<Duration>,
    pub(crate) data_end: Option<Duration>,
}

/// What a provider is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Smtp(Smtp),
    Brevo(Account),
    Transactional(Account),
    Campaign(Campaign),
    Outbox(PathBuf),
}

/// An SMTP server.
#[derive(Debug, Clone)]
pub(crate) struct Smtp {
    pub(crate) preset: Option<&'static str>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    pub(crate) envelope_from: Option<EnvelopeFrom>,
    pub(crate) credentials: Option<(String, SecretSource)>,
    pub(crate) helo: Option<String>,
    pub(crate) per_connection: Option<u32>,
    pub(crate) pipeline_next: Option<bool>,
    pub(crate) max_size_bytes: Option<u64>,
    pub(crate) dkim: Vec<Dkim>,
}

/// A signature of our own.
#[derive(Debug, Clone)]
pub(crate) struct Dkim {
    pub(crate) domain: String,
    pub(crate) selector: String,
    pub(crate) key: SecretSource,
}

/// An account at an API.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) api_key: SecretSource,
    pub(crate) base_url: Option<String>,
    /// Brevo: many recipients a request.
    pub(crate) batch: bool,
    /// Mailchimp Transactional: our own MIME, or its parts.
    pub(crate) mode: Mode,
    /// Mailchimp Transactional: the pool of addresses to send from.
    pub(crate) ip_pool: Option<String>,
    /// Mailchimp Transactional: what is put after each path, `.json` for servers of older descriptions.
    pub(crate) path_suffix: String,
}

/// An audience at Mailchimp Marketing.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub(crate) api_key: SecretSource,
    pub(crate) base_url: Option<String>,
    pub(crate) audience: String,
    /// How long a campaign may take to be sent.
    pub(crate) sent_within: Option<Duration>,
}

impl Kind {
    /// As depeche.toml names it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Smtp(_) => "smtp",
            Self::Brevo(_) => "brevo",
            Self::Transactional(_) => "mailchimp-transactional",
            Self::Campaign(_) => "mailchimp-campaign",
            Self::Outbox(_) => "outbox",
        }
    }

    /// Its secret, when it has one.
    pub(crate) fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Smtp(smtp) => smtp.credentials.as_ref().map(|(_, secret)| secret),
            Self::Brevo(account) | Self::Transactional(account) => Some(&account.api_key),
            Self::Campaign(campaign) => Some(&campaign.api_key),
            Self::Outbox(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum KindWord {
    Smtp,
    Brevo,
    Transactional,
    Campaign,
    Outbox,
}

/// All providers of the file.
pub(super) fn read_all<'a>(
    reader: &mut Reader<'a>,
    root: &mut Section<'a>,
    file: &Path,
) -> Vec<ProviderConfig> {
    let open_mode = open_mode(file);
    let mut providers: Vec<ProviderConfig> = Vec::new();
    for section in reader.sections(root, "provider") {
        let span = section.span.clone();
        let provider_span = span.clone();
        let Some(provider) = read_one(reader, section, (file, open_mode)) else { continue };
        if providers.iter().any(|other| other.name == provider.name) {
            let message = say!(reader, "config-provider-twice", name = provider.name.to_string());
            reader.problem("config.provider-twice", message, None, span);
        }
        // The journal keeps what the mailbox of bounces tells under this name.
        if provider.name.as_str() == depeche::mailbox::SOURCE {
            let message = say!(reader, "config-provider-name", name = provider.name.to_string());
            reader.problem("config.provider-name", message, None, provider_span);
        }
        providers.push(provider);
    }
    // It takes everybody who is left at once: whoever stood behind it would never be asked.
    let behind = providers.iter().skip_while(|one| !matches!(one.kind, Kind::Campaign(_))).nth(1);
    if let Some(behind) = behind {
        let message = say!(reader, "config-campaign-last", provider = behind.name.to_string());
        reader.problem("config.campaign", message, None, root.span.clone());
    }
    let all: u32 = providers.iter().filter_map(|provider| provider.share).map(Share::hundredths).sum();
    if all > 5_000 {
        reader.problem("config.share", say!(reader, "config-share-most"), None, root.span.clone());
    }
    providers
}

/// A name that the journal does not use for itself.
fn free_name(text: &str) -> Result<ProviderName, depeche::provider::BadProviderName> {
    let name = ProviderName::new(text)?;
    if text == depeche::mirror::RESERVED {
        Err(depeche::provider::BadProviderName(text.to_owned()))
    } else {
        Ok(name)
    }
}

fn read_one<'a>(
    reader: &mut Reader<'a>,
    mut section: Section<'a>,
    file: (&Path, Option<u32>),
) -> Option<ProviderConfig> {
    let name = reader.needed(&mut section, "name");
    let name = reader.parsed(name, free_name);
    if let Some(name) = &name {
        section.path = format!("provider {name}");
    }
    let kinds = [
        ("smtp", KindWord::Smtp),
        ("brevo", KindWord::Brevo),
        ("mailchimp-transactional", KindWord::Transactional),
        ("mailchimp-campaign", KindWord::Campaign),
        ("outbox", KindWord::Outbox),
    ];
    if !section.has("kind") {
        let message = say!(reader, "config-missing", key = format!("{}.kind", section.path));
        reader.problem("config.missing", message, None, section.span.clone());
    }
    // Without its kind nobody can say which keys it should have.
    let word = reader.word(&mut section, "kind", &kinds)?;
    let mut limits = Windows::default();
    if let Some(mut stated) = reader.section(&mut section, "limits") {
        limits.read(reader, &mut stated);
        reader.finish(stated);
    }
    let kind = read_kind(reader, &mut section, word, &mut limits, file);
    let ca_file = reader.text(&mut section, "ca_file").map(|found| PathBuf::from(found.value));
    let bind = read_addresses(reader, &mut section, "bind");
    let is_smtp = matches!(word, KindWord::Smtp);
    // The other kinds send from addresses of their own.
    let sends_from = if is_smtp { read_addresses(reader, &mut section, "sends_from") } else { Vec::new() };
    let timeouts = read_timeouts(reader, &mut section);
    let selectors = reader.texts(&mut section, "selectors").into_iter().map(|found| found.value).collect();
    let spf_include = reader.text(&mut section, "spf_include").map(|found| found.value);
    let share = read_share(reader, &mut section, word);
    let ovh = is_smtp.then(|| ovh::read(reader, &mut section, file)).flatten();
    reader.finish(section);
    let connections = limits.connections;
    Some(ProviderConfig {
        name: name?,
        kind: kind?,
        limits: limits.limits,
        connections,
        ca_file,
        bind,
        sends_from,
        timeouts,
        selectors,
        spf_include,
        share,
        ovh,
    })
}

#[derive(Default)]
struct Windows {
    limits: Limits,
    connections: Option<u32>,
    per_connection: Option<u32>,
}

impl Windows {
    fn read<'a>(&mut self, reader: &mut Reader<'a>, stated: &mut Section<'a>) {
        let mut number = |key| reader.number(stated, key);
        self.limits.per_second = number("per_second");
        self.limits.per_minute = number("per_minute");
        self.limits.per_hour = number("per_hour");
        self.limits.per_day = number("per_day");
        self.connections = number("connections");
        self.per_connection = number("per_connection");
    }

    /// What the preset says holds where the user says nothing.
    fn complete(&mut self, preset: &Preset) {
        self.limits.per_hour = self.limits.per_hour.or(preset.per_hour);
        self.limits.per_day = self.limits.per_day.or(preset.per_day);
        let connections = preset.connections.and_then(|number| u32::try_from(number).ok());
        self.connections = self.connections.or(connections);
    }
}

fn read_kind<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    word: KindWord,
    limits: &mut Windows,
    file: (&Path, Option<u32>),
) -> Option<Kind> {
    match word {
        KindWord::Smtp => read_smtp(reader, section, limits, file).map(Kind::Smtp),
        KindWord::Brevo => read_account(reader, section, file, word).map(Kind::Brevo),
        KindWord::Transactional => read_account(reader, section, file, word).map(Kind::Transactional),
        KindWord::Outbox => {
            let folder = reader.needed(section, "folder")?;
            Some(Kind::Outbox(PathBuf::from(folder.value)))
        }
        KindWord::Campaign => read_campaign(reader, section, file).map(Kind::Campaign),
    }
}

fn read_account<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    file: (&Path, Option<u32>),
    word: KindWord,
) -> Option<Account> {
    if !section.has("api_key") {
        let message = say!(reader, "config-missing", key = format!("{}.api_key", section.path));
        reader.problem("config.missing", message, None, section.span.clone());
    }
    let api_key = reader.secret(section, "api_key");
    let api_key = guarded(reader, api_key, file);
    let base_url = reader.text(section, "base_url").map(|found| found.value);
    let (mut batch, mut mode, mut ip_pool, mut path_suffix) = (false, Mode::default(), None, String::new());
    if matches!(word, KindWord::Brevo) {
        batch = reader.flag(section, "batch").unwrap_or(false);
    } else {
        mode =
            reader.word(section, "mode", &[("raw", Mode::Raw), ("parts", Mode::Parts)]).unwrap_or_default();
        ip_pool = reader.text(section, "ip_pool").map(|found| found.value);
        let suffixes = [("", ""), (".json", ".json")];
        path_suffix = reader.word(section, "path_suffix", &suffixes).unwrap_or_default().to_owned();
    }
    Some(Account { api_key: api_key?, base_url, batch, mode, ip_pool, path_suffix })
}

fn read_campaign<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    file: (&Path, Option<u32>),
) -> Option<Campaign> {
    if !section.has("api_key") {
        let message = say!(reader, "config-missing", key = format!("{}.api_key", section.path));
        reader.problem("config.missing", message, None, section.span.clone());
    }
    let api_key = reader.secret(section, "api_key");
    let api_key = guarded(reader, api_key, file);
    let base_url = reader.text(section, "base_url").map(|found| found.value);
    let audience = reader.needed(section, "audience").map(|found| found.value);
    let sent_within = reader.duration(section, "sent_within");
    Some(Campaign { api_key: api_key?, base_url, audience: audience?, sent_within })
}

/// Plain text in a file that others can read is refused.
pub(super) fn guarded(
    reader: &mut Reader<'_>,
    found: Option<Found<SecretSource>>,
    (file, open_mode): (&Path, Option<u32>),
) -> Option<SecretSource> {
    let found = found?;
    if let (SecretSource::Plain(..), Some(mode)) = (&found.value, open_mode) {
        let message =
            say!(reader, "config-open-secret", file = file.display().to_string(), mode = format!("{mode:o}"));
        let hint = say!(reader, "config-open-secret-hint", file = file.display().to_string());
        reader.problem("config.open-secret", message, Some(hint), found.span);
    }
    Some(found.value)
}

fn read_smtp<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    limits: &mut Windows,
    file: (&Path, Option<u32>),
) -> Option<Smtp> {
    let preset = read_preset(reader, section);
    if let Some(preset) = preset {
        limits.complete(preset);
    }
    let host = reader.text(section, "host").map(|found| found.value);
    let host = host.or_else(|| preset.and_then(|preset| preset.host).map(str::to_owned));
    if host.is_none() {
        let message = say!(reader, "config-missing", key = format!("{}.host", section.path));
        let hint = preset.map(|preset| preset.notes.to_owned());
        reader.problem("config.missing", message, hint, section.span.clone());
    }
    let words = [("implicit", Tls::Implicit), ("starttls", Tls::StartTls), ("none", Tls::None)];
    let tls = reader.word(section, "tls", &words);
    let tls = tls.or(preset.map(|preset| preset.tls)).unwrap_or_default();
    let port = reader.port(section);
    let usual = match tls {
        Tls::Implicit => 465,
        Tls::StartTls => 587,
        Tls::None => 25,
    };
    let envelope_from = reader.text(section, "envelope_from");
    let envelope_from = reader.parsed(envelope_from, str::parse::<EnvelopeFrom>);
    let credentials = read_credentials(reader, section, file);
    let helo = reader.text(section, "helo").map(|found| found.value);
    let pipeline_next = reader.flag(section, "pipeline_next");
    let dkim = read_dkim(reader, section, file);
    Some(Smtp {
        preset: preset.map(|preset| preset.name),
        host: host?,
        port: port.or(preset.map(|preset| preset.port)).unwrap_or(usual),
        tls,
        envelope_from,
        credentials,
        helo,
        per_connection: limits.per_connection,
        pipeline_next,
        max_size_bytes: preset.and_then(|preset| preset.max_size_bytes),
        dkim,
    })
}

/// `dkim = { domain, selector, key }`, or several of them.
fn read_dkim<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    file: (&Path, Option<u32>),
) -> Vec<Dkim> {
    let mut keys = Vec::new();
    for mut stated in reader.tables(section, "dkim") {
        stated.path = format!("{}.dkim", section.path);
        let domain = reader.needed(&mut stated, "domain").map(|found| found.value);
        let selector = reader.needed(&mut stated, "selector").map(|found| found.value);
        if !stated.has("key") {
            let message = say!(reader, "config-missing", key = format!("{}.key", stated.path));
            reader.problem("config.missing", message, None, stated.span.clone());
        }
        let key = reader.secret(&mut stated, "key");
        let key = guarded(reader, key, file);
        reader.finish(stated);
        if let (Some(domain), Some(selector), Some(key)) = (domain, selector, key) {
            keys.push(Dkim { domain, selector, key });
        }
    }
    keys
}

fn read_preset<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Option<&'static Preset> {
    let found = reader.text(section, "preset")?;
    let known = preset(&found.value);
    if known.is_none() {
        let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
        let hint = match nearest(&found.value, names.iter().copied()) {
            Some(near) => say!(reader, "config-did-you-mean", name = near),
            None => say!(reader, "config-known-words", names = names.join(", ")),
        };
        let message = say!(reader, "config-no-preset", name = &found.value);
        reader.problem("config.preset", message, Some(hint), found.span);
    }
    known
}

fn read_credentials<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    file: (&Path, Option<u32>),
) -> Option<(String, SecretSource)> {
    let username = reader.text(section, "username");
    let password = reader.secret(section, "password");
    if username.is_some() != password.is_some() {
        let message = say!(reader, "config-half-login", provider = &section.path);
        reader.problem("config.login", message, None, section.span.clone());
    }
    let password = guarded(reader, password, file);
    Some((username?.value, password?))
}

fn read_addresses<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, key: &'static str) -> Vec<IpAddr> {
    let stated = reader.texts(section, key);
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("`{text}` is no IP address"));
    stated.into_iter().filter_map(|found| reader.parsed(Some(found), address)).collect()
}

/// A part of every run, for kinds that send one message at a time.
fn read_share<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, word: KindWord) -> Option<Share> {
    let found = reader.text(section, "share")?;
    if matches!(word, KindWord::Campaign | KindWord::Outbox) {
        let message = say!(reader, "config-share-kind", provider = &section.path);
        reader.problem("config.share", message, None, found.span);
        return None;
    }
    reader.parsed(Some(found), Share::parse)
}

fn read_timeouts<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> StatedTimeouts {
    let Some(mut stated) = reader.section(section, "timeouts") else { return StatedTimeouts::default() };
    let mut wait = |key| reader.duration(&mut stated, key);
    let timeouts = StatedTimeouts {
        connect: wait("connect"),
        command: wait("command"),
        data_block: wait("data_block"),
        data_end: wait("data_end"),
    };
    reader.finish(stated);
    timeouts
}
