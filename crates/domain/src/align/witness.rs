//! What speaks about a provider beside DNS: the provider's own word, and a message that arrived.
//!
//! A message that passed with today's keys proves its leg, also when DNS alone cannot (an OVH selector
//! holds an account number that nobody can guess). A provider's "no" outweighs good records: it does not
//! sign for a domain that it does not know, whatever stands in the zone. Its "yes" decides only what DNS
//! left open, for receivers look at DNS and not at the provider's control panel.

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
        Self { method: Method::Dkim, evidence: Evidence::Api, proof, domain: domain.to_owned(), reason }
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
        Self { method, evidence: Evidence::Message, proof: Proof::Yes, domain, reason }
    }
}

/// The leg, after every witness about it was heard.
pub(super) async fn hear(dns: &dyn Dns, home: &Home, provider: &Provider, leg: Leg) -> Leg {
    let mut leg = leg;
    let about = provider.witnesses.iter().filter(|witness| witness.method == leg.method);
    let (messages, words): (Vec<_>, Vec<_>) = about.partition(|w| w.evidence == Evidence::Message);
    for witness in messages {
        let aligned = home.aligns(dns, &witness.domain, witness.method).await;
        if leg.aligned != Proof::Yes && witness.proof == Proof::Yes && aligned == Proof::Yes {
            leg = rests_on(leg, witness);
        }
    }
    for witness in words {
        let decides = match witness.proof {
            Proof::No => true,
            Proof::Yes => leg.aligned == Proof::CannotTell && !leg.temporary,
            Proof::CannotTell => false,
        };
        // A provider speaks of one domain; what it says of a subdomain says nothing of this one.
        if decides && name::same(&witness.domain, &home.domain) {
            leg = rests_on(leg, witness);
        }
    }
    leg
}

fn rests_on(leg: Leg, witness: &Witness) -> Leg {
    Leg {
        aligned: witness.proof,
        passes: witness.proof,
        evidence: witness.evidence,
        domain: witness.domain.clone(),
        reason: witness.reason.clone(),
        temporary: false,
        record: None,
        method: leg.method,
    }
}
