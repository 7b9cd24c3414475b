//! What was heard about a provider's mail beside DNS: its own word, a message that arrived.
//!
//! `provider test`, `domain check --ask-providers` and `message verify --learn` keep it in the journal's audit, with
//! its date; before a run and before a fallback [`super::admission`] takes it from there, for 30 days, and asks
//! no provider. Of each kind of word about a leg the newest counts. An entry of another version is left out.

use depeche::domain::align::{Evidence, Method, Proof, Witness};
use depeche::domain::text::Text;
use depeche::journal::{AuditEntry, Journal};
use depeche::provider::ProviderName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store;
use crate::config::Config;
use crate::context::Context;
use crate::failure::Failure;

/// What such a word is called in the audit.
const ACTION: &str = "domain evidence";

/// A word as the audit keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The From domain that it is about.
    domain: String,
    provider: String,
    method: Method,
    evidence: String,
    proof: Proof,
    /// The domain that the leg passes for.
    passes_for: String,
    en: String,
    fr: String,
}

/// Keeps what was heard about the From domain `domain`.
pub(crate) async fn keep(
    journal: &dyn Journal,
    now: Timestamp,
    domain: &str,
    provider: &str,
    witnesses: &[Witness],
) -> Result<(), Failure> {
    for witness in witnesses {
        let kept = Kept {
            domain: domain.to_owned(),
            provider: provider.to_owned(),
            method: witness.method,
            evidence: witness.evidence.word().to_owned(),
            proof: witness.proof,
            passes_for: witness.domain.clone(),
            en: witness.reason.en.clone(),
            fr: witness.reason.fr.clone(),
        };
        let detail = serde_json::to_string(&kept).unwrap_or_default();
        journal.audit(AuditEntry { at: now, run: None, action: ACTION.to_owned(), detail }).await?;
    }
    Ok(())
}

/// The same in the journal of depeche.toml, which is opened for it.
pub(crate) async fn keep_in(
    config: &Config,
    domain: &str,
    provider: &str,
    witnesses: &[Witness],
    context: &Context<'_>,
) -> Result<(), Failure> {
    if witnesses.is_empty() {
        return Ok(());
    }
    let journal = store::open(config, context).await?;
    let kept = keep(&*journal, context.clock.now(), domain, provider, witnesses).await;
    journal.close().await;
    kept
}

/// What was heard since `earliest` about a provider's mail from `domain`. A journal that cannot be read has
/// heard nothing: DNS alone decides then.
pub(crate) async fn heard(
    journal: &dyn Journal,
    domain: &str,
    provider: &ProviderName,
    earliest: Timestamp,
) -> Vec<Witness> {
    let entries = journal.audit_of(None).await.unwrap_or_default();
    let mut found: Vec<Witness> = Vec::new();
    // Newest first: of each kind the first one counts.
    for entry in entries.iter().rev().filter(|entry| entry.action == ACTION && entry.at >= earliest) {
        let Ok(kept) = serde_json::from_str::<Kept>(&entry.detail) else { continue };
        if !depeche::domain::name::same(&kept.domain, domain) || kept.provider != provider.as_str() {
            continue;
        }
        let evidence = match kept.evidence.as_str() {
            "api" => Evidence::Api,
            "message" => Evidence::Message,
            _ => continue,
        };
        if found.iter().any(|other| other.method == kept.method && other.evidence == evidence) {
            continue;
        }
        let reason = Text { en: kept.en, fr: kept.fr };
        let (method, proof, domain) = (kept.method, kept.proof, kept.passes_for);
        found.push(Witness { method, evidence, proof, domain, reason, kept: Some(entry.at) });
    }
    found
}
