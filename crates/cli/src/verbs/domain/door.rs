//! Where DNS answers come from: the system's servers, a server, a zone file, a recording.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use depeche::domain::dns::Dns;
use depeche::domain::dns::layered::Layered;
use depeche::domain::dns::recorded::{Recorded, Recorder};
use depeche::domain::dns::resolver::Resolver;
use depeche::domain::dns::zone::Zone;
use depeche::domain::mta_sts::PolicyFetcher;
use depeche::domain::mta_sts::https::HttpsFetcher;
use depeche::domain::name;

use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::verbs::contacts;
use crate::words::say;

/// An open door to DNS.
pub(crate) struct Door {
    recorder: Recorder<Box<dyn Dns>>,
    zone: Option<Zone>,
    is_live: bool,
}

impl Door {
    /// As the flags say. `origin` is the domain below which a zone file's relative names lie.
    pub(crate) fn open(asked: &args::Dns, origin: &str, context: &Context<'_>) -> Result<Self, Failure> {
        // As it is asked for: `médias.fr` is `xn--mdias-bsa.fr` in DNS.
        let origin = &name::from_user(origin).unwrap_or_else(|| origin.to_owned());
        let zone = asked.zone.as_deref().map(|file| read_zone(file, origin, context)).transpose()?;
        let live = match (&asked.replay, &asked.nameserver) {
            (Some(file), _) => Some(Box::new(read_recording(file)?) as Box<dyn Dns>),
            (None, Some(server)) => Some(Box::new(Resolver::at(server_address(server, context)?)) as _),
            (None, None) if zone.is_some() && !asked.live => None,
            (None, None) => Some(Box::new(system()?) as _),
        };
        let zone = zone.map(|zone| as_meant(zone, live.is_some(), origin, context));
        let is_live = asked.replay.is_none() && (live.is_some() || zone.is_none());
        let dns: Box<dyn Dns> = match (zone.clone(), live) {
            (Some(zone), Some(live)) => Box::new(Layered::new(zone, live)),
            (Some(zone), None) => Box::new(zone),
            (None, Some(live)) => live,
            (None, None) => Box::new(system()?),
        };
        Ok(Self { recorder: Recorder::new(dns), zone, is_live })
    }

    /// Asks.
    pub(crate) fn dns(&self) -> &dyn Dns {
        &self.recorder
    }

    /// Whether the answers are those that receivers get now: no proposed zone, no recording.
    pub(crate) fn is_real(&self, asked: &args::Dns) -> bool {
        self.is_live && asked.zone.is_none() && asked.replay.is_none()
    }

    /// Who fetches MTA-STS policies: nobody, where the answers come from files alone.
    pub(crate) fn policies(&self) -> Option<Arc<dyn PolicyFetcher>> {
        self.is_live.then(|| Arc::new(HttpsFetcher::new()) as _)
    }

    /// The zone file, when one was given.
    pub(crate) fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// Keeps the answers, when that was asked for.
    pub(crate) fn keep(&self, asked: &args::Dns) -> Result<(), Failure> {
        match &asked.record {
            Some(file) => contacts::save(file, self.recorder.to_json().as_bytes()),
            None => Ok(()),
        }
    }
}

/// Lines to paste are no zone: what they leave out stays as it is, or is not known where nothing lies below.
/// Without an `origin` (a message, whosever it is) a file speaks for the zones that begin in it: whether
/// somebody else's domain has a policy, it cannot say.
fn as_meant(zone: Zone, is_over_answers: bool, origin: &str, context: &Context<'_>) -> Zone {
    if is_over_answers {
        return if zone.is_whole_for(origin) { zone } else { zone.into_fragment() };
    }
    if origin.is_empty() {
        return zone.into_fragment();
    }
    if zone.looks_whole_for(origin) {
        return zone;
    }
    context.out.note(say!(context.out, "dns-fragment", domain = origin));
    zone.into_fragment()
}

/// The live DNS for a check before sending: the name server of depeche.toml, else the system's; `None`
/// when the system names none.
pub(crate) fn live(nameserver: Option<&str>, context: &Context<'_>) -> Result<Option<Box<dyn Dns>>, Failure> {
    Ok(match nameserver {
        Some(server) => Some(Box::new(Resolver::at(server_address(server, context)?))),
        None => Resolver::from_system().ok().map(|resolver| Box::new(resolver) as _),
    })
}

fn system() -> Result<Resolver, Failure> {
    Resolver::from_system().map_err(|error| Failure::usage("dns.system", &error).with_hint(error.hint()))
}

/// `192.0.2.53:53`, `[2001:db8::53]:53`, or an address alone.
fn server_address(text: &str, context: &Context<'_>) -> Result<SocketAddr, Failure> {
    let alone = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    text.parse().or_else(|_| alone()).map_err(|_| {
        Failure::usage("dns.nameserver", say!(context.out, "dns-nameserver", text = text))
            .with_hint("--nameserver 192.0.2.53:53")
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))
}

fn read_zone(file: &Path, origin: &str, context: &Context<'_>) -> Result<Zone, Failure> {
    let octets = std::fs::read(file).map_err(|error| Failure::file(file, &error))?;
    let text = in_characters(octets);
    let name = file.display().to_string();
    let lang = super::language(context);
    Zone::parse(&text, origin).map_err(|error| {
        let problem = |problem: &depeche::domain::dns::zone::ZoneProblem| {
            Failure::usage("dns.zone", problem.message.in_lang(lang))
                .at(&name, &text, problem.span.start..problem.span.end)
                .with_hint(problem.cure.in_lang(lang))
        };
        Failure::all(error.problems.iter().map(problem).collect())
            .unwrap_or_else(|| Failure::usage("dns.zone", format!("{name}: {error}")))
    })
}

/// A file of octets as text: UTF-8, with or without its mark; else one character an octet, so that a remark
/// in Latin-1 keeps nobody from checking the records beside it.
fn in_characters(octets: Vec<u8>) -> String {
    match String::from_utf8(octets) {
        Ok(text) => text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
        Err(latin) => latin.into_bytes().into_iter().map(char::from).collect(),
    }
}

fn read_recording(file: &Path) -> Result<Recorded, Failure> {
    let unreadable = |error| Failure::usage("dns.replay", format!("{}: {error}", file.display()));
    Recorded::from_json(&read(file)?).map_err(unreadable)
}
