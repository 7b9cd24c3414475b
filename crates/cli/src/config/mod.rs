//! depeche.toml: who sends, through whom, and how fallback goes. CLI.md, "depeche.toml", is the rule.
//!
//! Every problem of the file is collected with its place; unknown keys are refused. Secrets are read
//! only when a provider is built.

mod bounces;
mod build;
mod journal;
mod mirror;
mod nearest;
mod ovh;
mod pace;
mod provider;
mod reader;
mod secret;
mod serve;

use std::path::{Path, PathBuf};
use std::time::Duration;

use depeche::address::{EmailAddress, Mailbox};
use depeche::policy::{OnBudget, OnUnknown, Policy};
use depeche::release::identity::{Identity, Organisation, PressContact, UnsubscribeIdentity};
use depeche::risk::WINDOW;
use depeche::text::HeaderText;
use jiff::SignedDuration;

pub(crate) use bounces::Bounces;
pub(crate) use journal::{JournalPlace, Server};
pub(crate) use mirror::MirrorConfig;
pub(crate) use nearest::nearest;
pub(crate) use provider::{Dkim, Kind, ProviderConfig, Smtp};
pub(crate) use reader::duration;
use reader::{Found, Reader, Section};
pub(crate) use serve::{OptOutConfig, ServeConfig, WebhookConfig};

use crate::failure::Failure;
use crate::unix::open_mode;
use crate::words::{Words, say};

/// What depeche.toml says.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file, as the user named it.
    pub(crate) file: PathBuf,
    /// Who sends.
    pub(crate) identity: Identity,
    /// Where the journal is.
    pub(crate) journal: JournalPlace,
    /// The folder of what stands beside it, when it is not next to it.
    state_dir: Option<PathBuf>,
    /// Its second place.
    pub(crate) mirror: Option<MirrorConfig>,
    /// Providers in order of fallback.
    pub(crate) providers: Vec<ProviderConfig>,
    /// Where bounces and answers are read.
    pub(crate) bounces: Option<Bounces>,
    /// How fallback goes.
    pub(crate) policy: Policy,
    /// Whether a provider that DMARC would reject is never used.
    pub(crate) require_authenticated: bool,
    /// Accepted so long before an outage of its provider is at risk.
    pub(crate) at_risk: SignedDuration,
    /// The name server to ask; the system's when absent.
    pub(crate) nameserver: Option<String>,
    /// What signs opt-out links.
    pub(crate) opt_out: Option<OptOutConfig>,
    /// What `serve` listens on.
    pub(crate) serve: Option<ServeConfig>,
}

/// The configuration's file, and its mode when others can read it.
type FileMode<'f> = (&'f Path, Option<u32>);

/// The file's name when `--config` names no other.
pub(crate) const FILE_NAME: &str = "depeche.toml";

impl Config {
    /// Reads the configuration; `None` when there is none and none was asked for.
    pub(crate) fn find(asked: Option<&Path>, words: &Words) -> Result<Option<Self>, Failure> {
        let file = asked.unwrap_or(Path::new(FILE_NAME));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && asked.is_none() => return Ok(None),
            Err(error) => {
                let place = format!("{}: {error}", file.display());
                return Err(Failure::usage("config.unreadable", place));
            }
        };
        Self::read(file, &text, words).map(Some)
    }

    /// Reads the configuration, which must be there.
    pub(crate) fn need(asked: Option<&Path>, words: &Words) -> Result<Self, Failure> {
        struct Has<'w> {
            words: &'w Words,
        }
        let has = Has { words };
        Self::find(asked, words)?.ok_or_else(|| {
            Failure::usage("config.none", say!(has, "config-none")).with_hint(say!(has, "config-none-hint"))
        })
    }

    /// Reads `text`, the content of `file`.
    pub(crate) fn read(file: &Path, text: &str, words: &Words) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let (mut reader, mut root) = Reader::open(&name, text, words);
        // After a syntax error everything else would be a consequence.
        if let Some(failure) = Failure::all(std::mem::take(&mut reader.problems)) {
            return Err(failure);
        }
        let guard = (file, open_mode(file));
        let unsubscribe = read_unsubscribe(&mut reader, &mut root, guard);
        let mut identity = read_identity(&mut reader, &mut root);
        let (journal, state_dir, mirror) = journal::read(&mut reader, &mut root);
        let providers = provider::read_all(&mut reader, &mut root, file);
        let bounces = bounces::read(&mut reader, &mut root, (file, open_mode(file)));
        let (mut policy, require_authenticated, at_risk) = read_fallback(&mut reader, &mut root);
        if let Some(waits) = read_retry(&mut reader, &mut root) {
            policy.transient = waits;
        }
        policy.pace = pace::read(&mut reader, &mut root);
        let nameserver = read_dns(&mut reader, &mut root);
        let serve = ServeConfig::read(&mut reader, &mut root, &providers, guard);
        let (links, opt_out) = unsubscribe.joined(serve.as_ref(), &mut reader);
        if let Some(identity) = &mut identity {
            identity.unsubscribe = links;
        }
        reader.finish(root);
        let problems = std::mem::take(&mut reader.problems);
        match (Failure::all(in_order(problems)), identity) {
            (None, Some(identity)) => Ok(Self {
                file: file.to_owned(),
                identity,
                journal,
                state_dir,
                mirror,
                providers,
                bounces,
                policy,
                require_authenticated,
                at_risk,
                nameserver,
                opt_out,
                serve,
            }),
            (Some(failure), _) => Err(failure),
            (None, None) => Err(Failure::usage("config.incomplete", name)),
        }
    }

    /// The folder against which its paths count.
    pub(crate) fn base(&self) -> PathBuf {
        base_of(&self.file)
    }

    /// The journal's place, as it may be shown.
    pub(crate) fn journal_shown(&self) -> String {
        match &self.journal {
            JournalPlace::File(path) => self.base().join(path).display().to_string(),
            JournalPlace::Server(server) => server.url.clone(),
        }
    }

    /// The folder of what stands beside the journal: `journal.db.state` next to it, or where
    /// `[journal] state_dir` says; `None` for a journal on a server.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        match (&self.state_dir, &self.journal) {
            (_, JournalPlace::Server(_)) => None,
            (Some(folder), JournalPlace::File(_)) => Some(self.base().join(folder)),
            (None, JournalPlace::File(path)) => {
                let mut name = self.base().join(path).into_os_string();
                name.push(".state");
                Some(PathBuf::from(name))
            }
        }
    }
}

fn base_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn in_order(mut problems: Vec<Failure>) -> Vec<Failure> {
    problems.sort_by_key(|problem| problem.location.as_ref().map(|place| (place.line, place.column)));
    problems
}

fn header(text: &str) -> Result<HeaderText, depeche::text::UnsafeText> {
    HeaderText::new(text)
}

fn read_identity<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Option<Identity> {
    let organisation = read_organisation(reader, root);
    let from = read_from(reader, root);
    let press_contact = read_press_contact(reader, root);
    let (from, reply_to) = from?;
    let organisation = organisation.unwrap_or_else(|| Organisation {
        name: from.name.as_ref().map_or_else(|| from.address.domain().to_owned(), ToString::to_string),
        ..Organisation::default()
    });
    let unsubscribe = UnsubscribeIdentity::default();
    Some(Identity { organisation, from, reply_to, press_contact, unsubscribe })
}

fn read_organisation<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Option<Organisation> {
    let mut section = reader.section(root, "organisation")?;
    let name = reader.needed(&mut section, "name");
    let name = reader.parsed(name, header).map(|name: HeaderText| name.to_string());
    let mut more = |key| reader.text(&mut section, key).map(|found| found.value);
    let organisation = Organisation {
        postal_address: more("postal_address"),
        privacy_url: more("privacy_url"),
        boilerplate: more("boilerplate"),
        name: name.unwrap_or_default(),
    };
    reader.finish(section);
    Some(organisation)
}

fn read_from<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Option<(Mailbox, Option<EmailAddress>)> {
    if !root.has("from") {
        let message = say!(reader, "config-missing", key = "from");
        let hint = say!(reader, "config-from-hint");
        reader.problem("config.missing", message, Some(hint), 0..0);
    }
    let mut section = reader.section(root, "from")?;
    let name = reader.text(&mut section, "name");
    let name = reader.parsed(name, header);
    let address = reader.needed(&mut section, "address");
    let address = reader.parsed(address, EmailAddress::parse);
    let reply_to = reader.text(&mut section, "reply_to");
    let reply_to = reader.parsed(reply_to, EmailAddress::parse);
    reader.finish(section);
    Some((Mailbox { name, address: address? }, reply_to))
}

fn read_press_contact<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Option<PressContact> {
    let mut section = reader.section(root, "press_contact")?;
    let name = reader.needed(&mut section, "name");
    let name = reader.parsed(name, header);
    let address = reader.needed(&mut section, "address");
    let address = reader.parsed(address, EmailAddress::parse);
    let phone = reader.text(&mut section, "phone");
    let phone = reader.parsed(phone, header);
    reader.finish(section);
    Some(PressContact { name: name?, address: address?, phone })
}

/// `[unsubscribe]`, before it is known what `[serve]` says.
#[derive(Default)]
struct StatedUnsubscribe {
    mailto: Option<EmailAddress>,
    url: Option<Found<String>>,
    opt_out: Option<OptOutConfig>,
    span: std::ops::Range<usize>,
}

fn read_unsubscribe<'a>(
    reader: &mut Reader<'a>,
    root: &mut Section<'a>,
    guard: (&Path, Option<u32>),
) -> StatedUnsubscribe {
    let Some(mut section) = reader.section(root, "unsubscribe") else { return StatedUnsubscribe::default() };
    let mailto = reader.text(&mut section, "mailto");
    let mailto = reader.parsed(mailto, EmailAddress::parse);
    let url = reader.text(&mut section, "url");
    if let Some(bad) = url.as_ref().filter(|url| !url.value.starts_with("https://")) {
        let message = say!(reader, "config-unsubscribe-url");
        reader.problem("config.value", message, None, bad.span.clone());
    }
    let opt_out = OptOutConfig::read(reader, &mut section, guard);
    let span = section.span.clone();
    reader.finish(section);
    StatedUnsubscribe { mailto, url, opt_out, span }
}

impl StatedUnsubscribe {
    /// Links go where `serve` answers them: a signed link that nobody answers is a broken promise.
    fn joined(
        self,
        serve: Option<&ServeConfig>,
        reader: &mut Reader<'_>,
    ) -> (UnsubscribeIdentity, Option<OptOutConfig>) {
        let served = serve.filter(|_| self.opt_out.is_some()).map(ServeConfig::stop_url);
        match (&self.url, &served) {
            (Some(stated), Some(served)) if stated.value != *served => {
                let message = say!(reader, "config-unsubscribe-served", url = served);
                reader.problem("config.unsubscribe", message, None, stated.span.clone());
            }
            (None, None) if self.opt_out.is_some() => {
                let message = say!(reader, "config-unsubscribe-token");
                reader.problem("config.unsubscribe", message, None, self.span.clone());
            }
            (Some(stated), None) if self.opt_out.is_some() && !stated.value.contains("{token}") => {
                let message = say!(reader, "config-unsubscribe-token");
                reader.problem("config.unsubscribe", message, None, stated.span.clone());
            }
            _ => {}
        }
        let url = self.url.map(|found| found.value).or(served);
        (UnsubscribeIdentity { mailto: self.mailto, url }, self.opt_out)
    }
}

fn read_fallback<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> (Policy, bool, SignedDuration) {
    let mut policy = Policy::default();
    let Some(mut section) = reader.section(root, "fallback") else { return (policy, true, WINDOW) };
    if let Some(mut open) = reader.section(&mut section, "open_after") {
        if let Some(failures) = reader.number(&mut open, "failures") {
            policy.breaker.failures = failures;
        }
        if let Some(within) = reader.duration(&mut open, "within") {
            policy.breaker.within = within;
        }
        reader.finish(open);
    }
    if let Some(wait) = reader.duration(&mut section, "retry_after") {
        policy.breaker.retry_after = wait;
    }
    if let Some(wait) = reader.duration(&mut section, "suspect_after") {
        policy.suspect_after = wait;
    }
    let unknown = [("hold", OnUnknown::Hold), ("resend", OnUnknown::Resend)];
    if let Some(choice) = reader.word(&mut section, "on_unknown", &unknown) {
        policy.on_unknown = choice;
    }
    let budget = [("next", OnBudget::Next), ("wait", OnBudget::Wait)];
    if let Some(choice) = reader.word(&mut section, "on_budget", &budget) {
        policy.on_budget = choice;
    }
    let require_authenticated = reader.flag(&mut section, "require_authenticated").unwrap_or(true);
    let at_risk =
        reader.duration(&mut section, "at_risk").and_then(|time| SignedDuration::try_from(time).ok());
    reader.finish(section);
    (policy, require_authenticated, at_risk.unwrap_or(WINDOW))
}

fn read_dns<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Option<String> {
    let mut section = reader.section(root, "dns")?;
    let nameserver = reader.text(&mut section, "nameserver").map(|found| found.value);
    reader.finish(section);
    nameserver
}

fn read_retry<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Option<Vec<Duration>> {
    let mut section = reader.section(root, "retry")?;
    let has_waits = section.has("transient");
    let waits = reader.texts(&mut section, "transient");
    let waits = waits.iter().filter_map(|found| reader.duration_of(found)).collect();
    reader.finish(section);
    has_waits.then_some(waits)
}
