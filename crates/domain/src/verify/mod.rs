//! A received message: is it authentic, and why? DKIM of every signature, SPF when the client is
//! known, DMARC, and whether one-click unsubscription is covered by a signature (RFC 8058).
//!
//! What the message says about itself (`Authentication-Results`, `Received-SPF`, ARC) is shown, never
//! believed: whoever wrote the message could have written it. The one exception is what the user says is
//! their own server's: [`Received::trusted`].

mod results;
mod trusted;
mod unsubscribe;

use std::net::IpAddr;

use mail_parser::{Address, MessageParser};
use serde::Serialize;

pub use results::authentication_results;
pub use trusted::NotedSpf;
pub use unsubscribe::OneClick;

use crate::dkim::{self, DkimResult, Source};
use crate::dmarc::{self, Authenticated, DmarcResult, Policy};
use crate::dns::Dns;
use crate::dns::session::Session;
use crate::name;
use crate::spf;
use crate::text::{Text, both};

/// What is known about how a message came in.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The client's address; without it SPF is not checked.
    pub ip: Option<IpAddr>,
    /// The name it gave; the envelope's domain stands in when it is not known.
    pub helo: Option<String>,
    /// The envelope sender; the topmost Return-Path when it is not given.
    pub mail_from: Option<String>,
    /// Hosts whose `Received` and `Authentication-Results` fields are believed where they stand on top of
    /// everybody else's: the receiver's own servers. Names below these count too.
    pub trusted: Vec<String>,
    /// Who speaks in Authentication-Results (RFC 8601, section 2.5); `localhost` when empty.
    pub authserv_id: String,
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct MessageReport {
    /// The From domain; `None` when there is none, or several.
    pub from: Option<String>,
    /// The signatures, from top to bottom.
    pub dkim: Vec<DkimLine>,
    /// The SPF evaluation, when the client is known.
    pub spf: Option<spf::Verdict>,
    /// Where the client's address comes from, when it is not the caller's word: the message's own header.
    pub client: Option<IpAddr>,
    /// The SPF result that the receiver's server noted; only when SPF could not be evaluated here.
    pub noted_spf: Option<NotedSpf>,
    /// The verdict.
    pub dmarc: DmarcLine,
    /// What ARC claims; `None` without ARC.
    pub arc: Option<ArcLine>,
    /// One-click unsubscription.
    pub one_click: OneClick,
    /// What a person should know.
    pub notes: Vec<Text>,
    /// The `Authentication-Results` field (RFC 8601), on one line.
    pub authentication_results: String,
}

/// One signature.
#[derive(Clone, Debug, Serialize)]
pub struct DkimLine {
    /// `d=`; empty when it could not be read.
    pub domain: String,
    /// `s=`; empty when it could not be read.
    pub selector: String,
    /// The result.
    pub result: DkimResult,
    /// Why, lower case, no full stop; empty for a pass.
    pub reason: Text,
    /// `a=`
    pub algorithm: Option<&'static str>,
    /// The key's length.
    pub bits: Option<usize>,
    /// The first octets of `b=`.
    #[serde(skip)]
    pub short_b: String,
    /// Whether `d=` is aligned with the From domain.
    pub aligned: bool,
    /// Whether it covers both headers of RFC 8058, every one of those that stand in the message.
    pub covers_unsubscribe: bool,
}

/// The verdict of DMARC.
#[derive(Clone, Debug, Serialize)]
pub struct DmarcLine {
    /// The verdict.
    pub result: DmarcResult,
    /// The policy for a message that fails.
    pub policy: Option<Policy>,
    /// What passed and is aligned.
    pub aligned_by: Vec<AlignedBy>,
    /// Whose record applies.
    pub policy_domain: Option<String>,
}

/// A way in which DMARC passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlignedBy {
    /// A signature.
    Dkim,
    /// The sending address.
    Spf,
}

impl AlignedBy {
    /// The word of the JSON document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dkim => "dkim",
            Self::Spf => "spf",
        }
    }
}

/// What the newest ARC set claims (RFC 8617). Not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArcLine {
    /// How many sets there are.
    pub sets: usize,
    /// `cv=` of the newest.
    pub claims: String,
    /// Who sealed it, `d=`.
    pub sealed_by: String,
    /// Always false: it is shown, not believed.
    pub verified: bool,
}

impl MessageReport {
    /// 0 when DMARC passes, or nobody published a policy and something passed; 7 when DNS left it open;
    /// else 1.
    #[must_use]
    pub fn exit(&self) -> u8 {
        let temporary = self.dkim.iter().any(|line| line.result == DkimResult::Temperror)
            || self.spf.as_ref().is_some_and(|spf| spf.result == spf::SpfResult::Temperror);
        let passed = self.dkim.iter().any(|line| line.result == DkimResult::Pass)
            || self.spf.as_ref().is_some_and(|spf| spf.result == spf::SpfResult::Pass);
        match self.dmarc.result {
            DmarcResult::Pass => 0,
            DmarcResult::None if passed => 0,
            DmarcResult::Temperror => 7,
            DmarcResult::Fail | DmarcResult::None if temporary => 7,
            DmarcResult::Fail | DmarcResult::None => 1,
        }
    }

    /// The selectors that signed for a domain: what a check of that domain may ask for.
    #[must_use]
    pub fn selectors(&self, domain: &str) -> Vec<String> {
        let own = self.dkim.iter().filter(|line| name::same(&line.domain, domain));
        own.map(|line| line.selector.clone()).collect()
    }
}

/// Seconds by which two clocks may well differ.
const CLOCK_DIFFERENCE: u64 = 300;

/// Verifies a message. `now` is in seconds since 1970.
pub async fn verify(dns: &dyn Dns, message: &[u8], received: &Received, now: u64) -> MessageReport {
    let session = Session::new(dns);
    let source = Source::parse(message);
    let mut notes = Vec::new();
    let from = author(&source, &mut notes);
    let verdicts = dkim::verify(&session, &source, now).await;
    let written = trusted::written(&source, &received.trusted);
    let spf = sender_policy(&session, &source, received, written.border.as_ref(), now).await;
    let noted_spf = written.spf.filter(|_| spf.is_none());
    let client = written.border.map(|border| border.ip).filter(|_| received.ip.is_none());
    if let Some(noted) = &noted_spf {
        let (by, result, domain) = (&noted.by, &noted.result, &noted.domain);
        notes.push(both!(
            "SPF was not evaluated here: {by} noted {result} for {domain}, and that is believed as you asked",
            "SPF n'a pas été évalué ici : {by} a noté {result} pour {domain}, et c'est cru comme demandé"
        ));
    } else if spf.is_none() {
        notes.push(both!(
            "SPF was not checked: the client's address is not known",
            "SPF n'a pas été vérifié : l'adresse du client n'est pas connue"
        ));
    }
    let passed = Authenticated {
        dkim: verdicts
            .iter()
            .filter(|verdict| verdict.result == DkimResult::Pass)
            .filter_map(|verdict| verdict.signature.as_ref().map(|signature| signature.domain.clone()))
            .collect(),
        spf: spf
            .as_ref()
            .filter(|verdict| verdict.result == spf::SpfResult::Pass)
            .map(|verdict| verdict.domain.clone())
            .or_else(|| {
                noted_spf.as_ref().filter(|noted| noted.result == "pass").map(|noted| noted.domain.clone())
            }),
    };
    let dkim = lines(&session, &source, from.as_deref(), &verdicts).await;
    let unsure = dkim.iter().any(|line| line.result == DkimResult::Temperror)
        || spf.as_ref().is_some_and(|verdict| verdict.result == spf::SpfResult::Temperror);
    let dmarc = judge(&session, from.as_deref(), &passed, unsure).await;
    notes.extend(warnings(&verdicts, now));
    let one_click = unsubscribe::look(&source, &dkim);
    notes.extend(one_click.note());
    let arc = arc(&source);
    let authentication_results =
        authentication_results(&received.authserv_id, from.as_deref(), &dkim, spf.as_ref(), &dmarc);
    MessageReport { from, dkim, spf, client, noted_spf, dmarc, arc, one_click, notes, authentication_results }
}

/// The one From domain (RFC 9989, section 5.3.1: several authors' domains are not evaluated).
fn author(source: &Source, notes: &mut Vec<Text>) -> Option<String> {
    let fields = source.named("From").count();
    // White space before the colon is obsolete and valid (RFC 5322, section 4.5).
    let fields_alone = source.named("From").flat_map(|field| [b"From:", field.raw_value()].concat());
    let text: Vec<u8> = fields_alone.chain(*b"\r\n").collect();
    let parsed = MessageParser::default().parse_headers(&text);
    let mut domains: Vec<String> = Vec::new();
    let addresses = parsed.as_ref().and_then(|message| message.from()).map(Address::iter);
    for address in addresses.into_iter().flatten().filter_map(|address| address.address.as_deref()) {
        if let Some(domain) = name::from_user(name::of_address(address))
            && !domains.contains(&domain)
        {
            domains.push(domain);
        }
    }
    match (fields, domains.as_slice()) {
        (1, [one]) => Some(one.clone()),
        (0, _) | (_, []) => {
            notes.push(both!("there is no From address", "il n'y a pas d'adresse d'expéditeur (From)"));
            None
        }
        _ => {
            notes.push(both!(
                "there are several From fields or domains: receivers refuse such a message",
                "il y a plusieurs champs ou domaines From : les destinataires refusent un tel message"
            ));
            None
        }
    }
}

async fn sender_policy(
    dns: &dyn Dns,
    source: &Source,
    received: &Received,
    border: Option<&trusted::Border>,
    now: u64,
) -> Option<spf::Verdict> {
    let ip = received.ip.or(border.map(|border| border.ip))?;
    let return_path = || {
        let field = source.named("Return-Path").next()?;
        Some(field.value().trim_matches(['<', '>', ' ']).to_owned())
    };
    let mail_from = received.mail_from.clone().or_else(return_path).unwrap_or_default();
    let noted = || border.filter(|_| received.ip.is_none()).and_then(|border| border.helo.clone());
    let helo =
        received.helo.clone().or_else(noted).unwrap_or_else(|| name::of_address(&mail_from).to_owned());
    let request = spf::Request::new(ip, &mail_from, &helo).at(now);
    Some(spf::check_host(dns, &request).await)
}

async fn lines(
    dns: &dyn Dns,
    source: &Source,
    from: Option<&str>,
    verdicts: &[dkim::SignatureVerdict],
) -> Vec<DkimLine> {
    let mut lines = Vec::new();
    for verdict in verdicts {
        let signature = verdict.signature.as_ref();
        let domain = signature.map(|signature| signature.domain.clone()).unwrap_or_default();
        let aligned = match from.filter(|_| !domain.is_empty()) {
            Some(from) => {
                let one = Authenticated { dkim: vec![domain.clone()], spf: None };
                dmarc::evaluate(dns, from, &one).await.dkim.is_some()
            }
            None => false,
        };
        // The lowest are signed first (RFC 6376, section 5.4.2): what stands above them must be named again.
        let covers = |header| {
            let stand = source.named(header).count().max(1);
            signature.is_some_and(|signature| signature.times(header) >= stand)
        };
        lines.push(DkimLine {
            selector: signature.map(|signature| signature.selector.clone()).unwrap_or_default(),
            result: verdict.result,
            reason: verdict.reason.clone(),
            algorithm: signature.map(|signature| signature.algorithm.word()),
            bits: verdict.key.as_ref().and_then(dkim::KeyRecord::bits),
            short_b: signature.map(dkim::Signature::short_b).unwrap_or_default(),
            aligned,
            covers_unsubscribe: covers("List-Unsubscribe") && covers("List-Unsubscribe-Post"),
            domain,
        });
    }
    lines
}

async fn judge(dns: &dyn Dns, from: Option<&str>, passed: &Authenticated, unsure: bool) -> DmarcLine {
    let Some(from) = from else {
        return DmarcLine {
            result: DmarcResult::Fail,
            policy: None,
            aligned_by: Vec::new(),
            policy_domain: None,
        };
    };
    let evaluation = dmarc::evaluate(dns, from, passed).await;
    let result = match evaluation.result {
        // A key or an SPF record that DNS did not give might have passed.
        DmarcResult::Fail if unsure => DmarcResult::Temperror,
        result => result,
    };
    let aligned_by =
        [evaluation.dkim.as_ref().map(|_| AlignedBy::Dkim), evaluation.spf.as_ref().map(|_| AlignedBy::Spf)];
    DmarcLine {
        result,
        policy: evaluation.policy,
        aligned_by: aligned_by.into_iter().flatten().collect(),
        policy_domain: evaluation.discovery.policy_domain,
    }
}

/// What holds, and should still be mended.
fn warnings(verdicts: &[dkim::SignatureVerdict], now: u64) -> Vec<Text> {
    let mut notes = Vec::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.result == DkimResult::Pass) {
        let Some(signature) = &verdict.signature else { continue };
        let (domain, selector) = (&signature.domain, &signature.selector);
        if signature.length.is_some() {
            notes.push(both!(
                "the signature of {domain} ({selector}) covers only part of the body (l=): anybody may add to it",
                "la signature de {domain} ({selector}) ne couvre qu'une partie du corps (l=) : on peut y ajouter"
            ));
        }
        if signature.signed_at.is_some_and(|at| at > now.saturating_add(CLOCK_DIFFERENCE)) {
            notes.push(both!(
                "the signature of {domain} ({selector}) was made in the future (t=): receivers may ignore it; set the signer's clock",
                "la signature de {domain} ({selector}) est datée du futur (t=) : des récepteurs peuvent l'ignorer ; mettez à l'heure la machine qui signe"
            ));
        }
        let short = verdict.key.as_ref().and_then(dkim::KeyRecord::bits).filter(|bits| {
            *bits < dkim::GOOD_RSA_BITS && signature.algorithm != dkim::Algorithm::Ed25519Sha256
        });
        if let Some(bits) = short {
            notes.push(both!(
                "the key of {domain} ({selector}) has {bits} bits; 2048 are wanted",
                "la clé de {domain} ({selector}) fait {bits} bits ; il en faut 2048"
            ));
        }
    }
    notes
}

fn arc(source: &Source) -> Option<ArcLine> {
    let seals: Vec<_> = source.named("ARC-Seal").map(dkim::Header::value).collect();
    let tag = |seal: &str, wanted: &str| {
        let tags = seal.split(';').filter_map(|tag| tag.split_once('='));
        let mut found = tags.filter(|(key, _)| key.trim() == wanted);
        found.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let newest = seals.iter().max_by_key(|seal| tag(seal, "i").parse::<u32>().unwrap_or(0))?;
    Some(ArcLine {
        sets: seals.len(),
        claims: tag(newest, "cv"),
        sealed_by: tag(newest, "d"),
        verified: false,
    })
}
