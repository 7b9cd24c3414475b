//! What still works when a provider or an operator is down: providers, the From domain's DNS, the
//! mailboxes behind From and Reply-To, links, images, the unsubscribe address.
//!
//! [`survey`] is pure: it decides over [`Facts`], which [`gather`] asks DNS for. An operator is known by the
//! names of hosts ([`crate::operator`]): a guess that errs on the side of more in common, never less.
//! What DNS did not say is "not known", never "survives".

mod gather;
mod words;

use serde::Serialize;

pub(crate) use gather::gather_with;
pub use gather::{Asked, gather};

use crate::align::{Method, Proof, ProviderReport, is_good};
use crate::name;
use crate::operator::is_meant;
use crate::text::Text;

/// What is known before an outage.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The From domain.
    pub domain: String,
    /// The providers in order of fallback.
    pub carriers: Vec<Carrier>,
    /// Everything else that a release rests on.
    pub places: Vec<Place>,
}

/// A provider of the route.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Its name.
    pub name: String,
    /// Who runs it; `None` when its host says nothing.
    pub operator: Option<String>,
    /// Whether its mail passes DMARC.
    pub aligned: Proof,
    /// The zones that its keys are kept in, when those are not the From domain's own.
    pub key_zones: Vec<KeyZone>,
    /// Whether its mail still passes DMARC when nobody can look its keys up: by SPF alone.
    pub without_keys: Proof,
}

/// A zone that the domain's `_domainkey` names lead into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyZone {
    /// Its name.
    pub zone: String,
    /// Who serves it, each once; `None` when DNS did not say, and before [`gather`] asked.
    pub operators: Option<Vec<String>>,
}

impl Carrier {
    /// A provider about whose mail DNS says nothing.
    #[must_use]
    pub fn unknown(name: &str, operator: Option<String>) -> Self {
        let (key_zones, open) = (Vec::new(), Proof::CannotTell);
        Self { name: name.to_owned(), operator, aligned: open, key_zones, without_keys: open }
    }

    /// What a check found about a provider. `operator` is who runs it, when that is known.
    #[must_use]
    pub fn of(report: &ProviderReport, operator: Option<String>) -> Self {
        let kind_zone = report.provider.kind.facts().key_zone;
        let mut zones: Vec<String> = Vec::new();
        for key in report.keys.iter().filter(|key| is_good(&report.provider, key)) {
            let Some(last) = key.aliases.last() else { continue };
            let known = kind_zone.filter(|zone| name::is_within(&last.target, zone)).map(str::to_owned);
            let zone =
                known.or_else(|| name::registrable(&last.target)).unwrap_or_else(|| last.target.clone());
            if !zones.contains(&zone) && !name::is_within(&zone, &key.domain) {
                zones.push(zone);
            }
        }
        Self {
            name: report.provider.name.clone(),
            operator,
            aligned: report.aligned,
            key_zones: zones.into_iter().map(|zone| KeyZone { zone, operators: None }).collect(),
            without_keys: report.leg(Method::Spf).map_or(Proof::CannotTell, |leg| leg.aligned),
        }
    }
}

/// Something that a release rests on.
#[derive(Clone, Debug)]
pub struct Place {
    /// What it is for.
    pub kind: PlaceKind,
    /// A domain or a host.
    pub name: String,
    /// What it needs; each must stand.
    pub needs: Vec<Need>,
}

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// DNS of the From domain.
    Dns,
    /// The mailbox behind From: answers and bounces.
    From,
    /// The mailbox behind Reply-To.
    ReplyTo,
    /// A link of the release.
    Link,
    /// An image that a reader fetches.
    Image,
    /// Where a reader opts out.
    Unsubscribe,
}

/// Servers that do the same: one of them is enough.
#[derive(Clone, Debug)]
pub struct Need {
    /// What they are.
    pub kind: NeedKind,
    /// Who runs them, each once; `None` when DNS did not say.
    pub operators: Option<Vec<String>>,
}

/// What servers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// Name servers.
    NameServers,
    /// Mail exchangers.
    Exchangers,
    /// A web server.
    Web,
}

/// Whether a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes on.
    Survives,
    /// It is lost.
    Breaks,
    /// Nothing is known.
    NotKnown,
}

/// One part after the loss.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// `provider`, or the place's kind.
    pub part: &'static str,
    /// The provider, domain or host.
    pub name: String,
    /// Whether it stands.
    pub state: State,
    /// Why, in a sentence.
    pub why: Text,
    /// What to do beforehand, when it breaks.
    pub cure: Option<Text>,
}

/// What a loss does.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What was assumed down, as the user named it.
    pub down: String,
    /// The operators that this takes with it.
    pub operators: Vec<String>,
    /// Whether anything here rests on it at all.
    pub is_known: bool,
    /// Part by part: providers first.
    pub parts: Vec<Part>,
}

/// Works out what stands without `down`: the name of a provider, whose operator is then down too, or of
/// an operator.
#[must_use]
pub fn survey(facts: &Facts, down: &str) -> Survey {
    let lost = Lost::new(facts, down);
    let dns = facts.places.iter().find(|place| place.kind == PlaceKind::Dns);
    let dns = dns.map_or(State::NotKnown, |place| lost.state(place).0);
    let carriers = facts.carriers.iter().map(|carrier| lost.carrier(facts, carrier, dns));
    let places = facts.places.iter().map(|place| lost.place(place));
    let parts = carriers.chain(places).collect();
    let is_known = lost.provider.is_some() || !lost.operators.is_empty();
    Survey { down: down.to_owned(), operators: lost.operators, is_known, parts }
}

/// What becomes of a provider's keys.
enum Keys<'a> {
    /// They can be looked up.
    Stand,
    /// Nobody can ask that zone.
    Lost(&'a KeyZone),
    /// Who serves that zone is not known.
    NotKnown(&'a KeyZone),
}

/// What is down.
struct Lost {
    provider: Option<String>,
    operators: Vec<String>,
}

impl Lost {
    fn new(facts: &Facts, down: &str) -> Self {
        let provider = facts.carriers.iter().find(|carrier| carrier.name == down);
        let of_places = facts.places.iter().flat_map(|place| &place.needs);
        let of_places = of_places.flat_map(|need| need.operators.iter().flatten());
        let of_carriers = facts.carriers.iter().filter_map(|carrier| carrier.operator.as_ref());
        let of_keys = facts.carriers.iter().flat_map(|carrier| &carrier.key_zones);
        let of_keys = of_keys.flat_map(|zone| zone.operators.iter().flatten());
        let is_lost = |operator: &&String| {
            is_meant(operator, down) || provider.is_some_and(|one| one.operator.as_ref() == Some(operator))
        };
        let mut operators: Vec<String> =
            of_places.chain(of_carriers).chain(of_keys).filter(is_lost).cloned().collect();
        operators.sort();
        operators.dedup();
        Self { provider: provider.map(|carrier| carrier.name.clone()), operators }
    }

    fn carrier(&self, facts: &Facts, carrier: &Carrier, dns: State) -> Part {
        let by_operator = carrier.operator.as_ref().is_some_and(|operator| self.operators.contains(operator));
        let is_lost = self.provider.as_ref() == Some(&carrier.name) || by_operator;
        let keys = self.keys(carrier);
        let proof = match (&keys, carrier.aligned) {
            (Keys::Stand, aligned) => aligned,
            (_, Proof::Yes) if carrier.without_keys == Proof::Yes => Proof::Yes,
            (Keys::Lost(_), Proof::Yes) => carrier.without_keys,
            (Keys::NotKnown(_), Proof::Yes) => Proof::CannotTell,
            (_, aligned) => aligned,
        };
        let state = match (is_lost, dns, proof) {
            (true, ..) | (_, State::Breaks, _) | (.., Proof::No) => State::Breaks,
            (_, State::Survives, Proof::Yes) => State::Survives,
            (_, State::NotKnown, _) | (.., Proof::CannotTell) => State::NotKnown,
        };
        let told = if is_lost || dns == State::Breaks { None } else { words::keys(carrier, &keys, state) };
        let (why, cure) = told.unwrap_or_else(|| words::carrier(facts, carrier, is_lost, dns, state));
        Part { part: "provider", name: carrier.name.clone(), state, why, cure }
    }

    /// Whether the zones that a provider's keys are kept in can still be asked.
    fn keys<'a>(&self, carrier: &'a Carrier) -> Keys<'a> {
        let is_lost = |zone: &&KeyZone| {
            let operators = zone.operators.as_deref().unwrap_or_default();
            !operators.is_empty() && operators.iter().all(|operator| self.operators.contains(operator))
        };
        if let Some(zone) = carrier.key_zones.iter().find(is_lost) {
            return Keys::Lost(zone);
        }
        match carrier.key_zones.iter().find(|zone| zone.operators.is_none()) {
            Some(zone) => Keys::NotKnown(zone),
            None => Keys::Stand,
        }
    }

    /// A place stands when each of its needs does; the need that decides is told.
    fn state<'a>(&self, place: &'a Place) -> (State, Option<&'a Need>) {
        let lost = |need: &&Need| {
            let operators = need.operators.as_deref().unwrap_or_default();
            !operators.is_empty() && operators.iter().all(|operator| self.operators.contains(operator))
        };
        if let Some(need) = place.needs.iter().find(lost) {
            return (State::Breaks, Some(need));
        }
        match place.needs.iter().find(|need| need.operators.is_none()) {
            Some(need) => (State::NotKnown, Some(need)),
            None if place.needs.is_empty() => (State::NotKnown, None),
            None => (State::Survives, None),
        }
    }

    fn place(&self, place: &Place) -> Part {
        let (state, need) = self.state(place);
        let (why, cure) = words::place(place, state, need);
        Part { part: place.kind.word(), name: place.name.clone(), state, why, cure }
    }
}

impl PlaceKind {
    /// The word of the JSON document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::From => "from",
            Self::ReplyTo => "reply-to",
            Self::Link => "link",
            Self::Image => "image",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}
