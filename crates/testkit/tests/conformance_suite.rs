//! The suite must catch a provider that breaks a promise: one provider, one sin at a time.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use depeche_core::outcome::{Doubt, DoubtCause, Outcome, Persistence, Receipt, Refusal, Trouble};
use depeche_core::provider::{Capability, Commit, Login, Parcel, Provider, ProviderName};
use depeche_testkit::conformance::{Arranged, Peer, PeerDoes, ProviderHarness, Report, provider_conformance};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sin {
    None,
    SendsBeforeTheIntent,
    AsksForNoIntent,
    AsksTwice,
    SendsDespiteADenial,
    RepeatsInsideTheAttempt,
    CallsSilenceARefusal,
    CallsRefusalADoubt,
    FallsOneOutcomeShort,
    TakesADeferralForABadAddress,
}

/// Two messages at a time, a peer in memory.
struct InMemory {
    name: ProviderName,
    does: PeerDoes,
    sin: Sin,
    peer: Arc<Memory>,
}

#[derive(Default)]
struct Memory {
    whole: Mutex<Vec<String>>,
}

impl Peer for Memory {
    fn message_bytes(&self) -> u64 {
        self.whole
            .lock()
            .expect("no test panics while it holds the lock")
            .iter()
            .map(|address| address.len() as u64)
            .sum()
    }

    fn whole_messages(&self) -> Vec<String> {
        self.whole.lock().expect("no test panics while it holds the lock").clone()
    }
}

impl InMemory {
    fn take(&self, parcels: &[Parcel]) {
        let addresses = parcels.iter().map(|parcel| parcel.message.to.address.to_string());
        self.peer.whole.lock().expect("no test panics while it holds the lock").extend(addresses);
    }

    fn outcome(&self) -> Outcome {
        let refused = Outcome::Refused;
        match self.does {
            PeerDoes::Accepts => Outcome::Accepted(Receipt::new(None, "ok")),
            PeerDoes::RefusesBadAddress if self.sin == Sin::CallsRefusalADoubt => {
                Outcome::Unknown(Doubt::new(DoubtCause::Unclear, ""))
            }
            PeerDoes::RefusesBadAddress => refused(Refusal::recipient(Persistence::Permanent, true, "no")),
            PeerDoes::DefersRecipient => {
                let is_bad = self.sin == Sin::TakesADeferralForABadAddress;
                refused(Refusal::recipient(Persistence::Transient, is_bad, "later"))
            }
            PeerDoes::RefusesMessage => refused(Refusal::message("no")),
            PeerDoes::Throttles => refused(Refusal::provider(Trouble::Throttled, "slow")),
            PeerDoes::RefusesLogin => refused(Refusal::provider(Trouble::Credentials, "who")),
            PeerDoes::IsAbsent | PeerDoes::ClosesBeforeTheIntent => {
                refused(Refusal::provider(Trouble::Unreachable, "gone"))
            }
            PeerDoes::Holds => Outcome::Held(Receipt::new(None, "held")),
            PeerDoes::FallsSilentAfterTheMessage if self.sin == Sin::CallsSilenceARefusal => {
                refused(Refusal::provider(Trouble::Unreachable, "silence"))
            }
            _ => Outcome::Unknown(Doubt::new(DoubtCause::LineLost, "")),
        }
    }
}

#[async_trait]
impl Provider for InMemory {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: None,
            inline_images: true,
            attachments: true,
            international_local_part: true,
            batch: 2,
            idempotent_for: None,
            lanes: 1,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        if matches!(self.does, PeerDoes::IsAbsent | PeerDoes::ClosesBeforeTheIntent) {
            return parcels.iter().map(|_| self.outcome()).collect();
        }
        if self.sin == Sin::SendsBeforeTheIntent {
            self.take(parcels);
        }
        if self.sin != Sin::AsksForNoIntent
            && let Err(denied) = commit.intent(None).await
        {
            if self.sin == Sin::SendsDespiteADenial {
                self.take(parcels);
            }
            return parcels.iter().map(|_| Outcome::NotStarted(denied.clone())).collect();
        }
        if self.sin == Sin::AsksTwice {
            let _ = commit.intent(None).await;
        }
        if self.sin != Sin::SendsBeforeTheIntent {
            self.take(parcels);
        }
        if self.sin == Sin::RepeatsInsideTheAttempt {
            self.take(parcels);
        }
        commit.heard();
        let short = usize::from(self.sin == Sin::FallsOneOutcomeShort);
        parcels.iter().skip(short).map(|_| self.outcome()).collect()
    }

    async fn login(&self) -> Result<Login, Refusal> {
        Ok(Login::default())
    }
}

struct Sinner(Sin);

#[async_trait]
impl ProviderHarness for Sinner {
    async fn arrange(&self, does: PeerDoes) -> Option<Arranged> {
        let peer = Arc::new(Memory::default());
        let name = ProviderName::new("memory").ok()?;
        let provider = InMemory { name, does, sin: self.0, peer: Arc::clone(&peer) };
        Some(Arranged { provider: Box::new(provider), peer })
    }
}

async fn judge(sin: Sin) -> Report {
    provider_conformance(&Sinner(sin)).await
}

#[tokio::test]
async fn a_faithful_provider_passes_every_check() {
    let report = judge(Sin::None).await;

    report.assert_all_held();
    assert!(report.left_out.is_empty());
}

#[tokio::test]
async fn each_broken_promise_is_caught_and_named() {
    let table = [
        (Sin::SendsBeforeTheIntent, "had reached the peer when the intent was asked for"),
        (Sin::AsksForNoIntent, "without an intent"),
        (Sin::AsksTwice, "2 intents in one attempt"),
        (Sin::SendsDespiteADenial, "reached the peer"),
        (Sin::RepeatsInsideTheAttempt, "2 times"),
        (Sin::CallsSilenceARefusal, "FallsSilentAfterTheMessage: the outcome is"),
        (Sin::CallsRefusalADoubt, "RefusesBadAddress: the outcome is"),
        (Sin::FallsOneOutcomeShort, "outcomes for"),
        (Sin::TakesADeferralForABadAddress, "DefersRecipient: the outcome is"),
    ];
    for (sin, expected) in table {
        let report = judge(sin).await;

        assert!(report.failed.iter().any(|seen| seen.contains(expected)), "{sin:?}: {:?}", report.failed);
    }
}
