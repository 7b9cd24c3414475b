//! What speaks about a provider beside DNS: the provider's own word, and a message that arrived.
//!
//! A message that passed with today's keys proves its leg, also when DNS alone cannot (an OVH selector
//! holds an account number that nobody can guess). A provider's "no" outweighs good records: it does not
//! sign for a domain that it does not know, whatever stands in the zone. Its "yes" decides only what DNS
//! left open, for receivers look at DNS and not at the provider's control panel.

use jiff::Timestamp;

use super::{Evidence, Home, Leg, Method, Proof, Provider};
use crate::dns::Dns;
use crate::name;
use crate::text::{Text, both};

/// A word about one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Which leg.
    pub method: Method,
    /// Who says so: [`Evidence::Api`] or [`Evidence::Message`].
    pub evidence: Evidence,
    /// Whether it passes.
    pub proof: Proof,
    /// The domain it passes for.
    pub domain: String,
    /// In a sentence.
    pub reason: Text,
    /// When it was heard, for a word that was kept; `None`: just now.
    pub kept: Option<Timestamp>,
}

impl Witness {
    /// The provider says whether it has authenticated that domain. `said` is its answer, in its words.
    #[must_use]
    pub fn of_provider(label: &str, domain: &str, authenticated: bool, said: &str) -> Self {
        let reason = if authenticated {
            both!("{label} says that {domain} is authenticated", "{label} dit que {domain} est authentifié")
        } else {
            both!(
                "{label} says that {domain} is not authenticated, so it does not sign for it ({said})",
                "{label} dit que {domain} n'est pas authentifié : il ne signe donc pas pour lui ({said})"
            )
        };
        let proof = if authenticated { Proof::Yes } else { Proof::No };
        let domain = domain.to_owned();
        Self { method: Method::Dkim, evidence: Evidence::Api, proof, domain, reason, kept: None }
    }

    /// A message through the provider passed. `shown` names the message.
    #[must_use]
    pub fn of_message(method: Method, domain: &str, shown: &str) -> Self {
        let reason = match method {
            Method::Dkim => both!(
                "the message {shown} carries a signature of {domain} that passes",
                "le message {shown} porte une signature de {domain} qui passe"
            ),
            Method::Spf => both!(
                "the message {shown} came from an address that SPF of {domain} allows",
                "le message {shown} vient d'une adresse que le SPF de {domain} autorise"
            ),
        };
        let domain = domain.to_owned();
        Self { method, evidence: Evidence::Message, proof: Proof::Yes, domain, reason, kept: None }
    }

    /// The sentence; of a word that was kept, with its day, and of a refusal, how to ask again.
    fn dated_reason(&self, provider: &str) -> Text {
        let Some(at) = self.kept else { return self.reason.clone() };
        let day = at.strftime("%Y-%m-%d");
        let Text { en, fr } = &self.reason;
        match self.proof {
            Proof::No => Text {
                en: format!("{en} (heard on {day}; `depeche provider test {provider}` asks again)"),
                fr: format!("{fr} (entendu le {day} ; `depeche provider test {provider}` redemande)"),
            },
            _ => Text { en: format!("{en} (seen on {day})"), fr: format!("{fr} (constaté le {day})") },
        }
    }

    /// The same word, heard at that moment and kept since.
    #[must_use]
    pub fn kept_since(self, at: Timestamp) -> Self {
        Self { kept: Some(at), ..self }
    }
}

/// The leg, after every witness about it was heard.
pub(super) async fn hear(dns: &dyn Dns, home: &Home, provider: &Provider, leg: Leg) -> Leg {
    let mut leg = leg;
    let about = provider.witnesses.iter().filter(|witness| witness.method == leg.method);
    let (messages, words): (Vec<_>, Vec<_>) = about.partition(|w| w.evidence == Evidence::Message);
    let mut newest = None;
    for witness in messages.into_iter().filter(|witness| witness.proof == Proof::Yes) {
        if home.aligns(dns, &witness.domain, witness.method).await != Proof::Yes {
            continue;
        }
        newest = newest.max(witness.kept);
        // A message of another day passed with the keys of that day: what DNS disproves now, it disproves.
        let decides = match (leg.aligned, witness.kept) {
            (Proof::Yes, _) | (Proof::No, Some(_)) => false,
            (Proof::No, None) | (Proof::CannotTell, _) => true,
        };
        if decides {
            leg = rests_on(leg, witness, provider);
        }
    }
    for witness in words {
        let is_outdated = witness.kept.is_some() && witness.kept < newest;
        let decides = match witness.proof {
            Proof::No => !is_outdated,
            Proof::Yes => leg.aligned == Proof::CannotTell && !leg.temporary,
            Proof::CannotTell => false,
        };
        // A provider speaks of one domain; what it says of a subdomain says nothing of this one.
        if decides && name::same(&witness.domain, &home.domain) {
            leg = rests_on(leg, witness, provider);
        }
    }
    leg
}

fn rests_on(leg: Leg, witness: &Witness, provider: &Provider) -> Leg {
    Leg {
        aligned: witness.proof,
        passes: witness.proof,
        evidence: witness.evidence,
        domain: witness.domain.clone(),
        reason: witness.dated_reason(&provider.name),
        temporary: false,
        record: None,
        method: leg.method,
    }
}
