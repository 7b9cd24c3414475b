//! `resolve`: a person decides about unknown and held recipients, and about those accepted, at risk.

mod at_risk;

use std::sync::Arc;

use depeche::address::{EmailAddress, RecipientKey};
use depeche::engine::{LinkConfig, Render};
use depeche::event::{EventKind, ProviderEvent};
use depeche::journal::{
    AttemptRecord, AttemptState, Decision, DeliveryRecord, DeliveryState, Hold, HoldError, Journal, RunRecord,
};
use depeche::outcome::{Blame, Outcome};
use depeche::provider::{EarlierAttempt, LookUp, Parcel};
use serde_json::{Value, json};

use crate::args::Resolve;
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::document::{self, Pages};
use crate::run::{frozen, session, store};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(asked: &Resolve, context: &Context<'_>) -> Done {
    let out = context.out;
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let run = store::run_named(&*journal, &asked.run, context).await?;
    let keys = keys(&asked.addresses)?;
    let journal = session::begin_deciding(&config, journal, context).await?;
    let hold = hold(&*journal, &run, asked, &config, context).await?;
    // Open attempts of a killed process are unknown as well.
    journal.adopt_orphans(&*hold, context.clock.now()).await?;
    let (moved, told) = if asked.at_risk {
        let risk = at_risk::Resend { journal: &*journal, hold: &*hold, keys: &keys, asked };
        (risk.all(&run, &config, context).await?, Vec::new())
    } else if asked.look_up {
        let mut chain = config.chain(&config.route(&[], &out.words)?, &context.clock)?;
        let render = frozen::renderer(&*journal, &run, Some(&config), &mut chain).await?;
        let (journal, hold) = (&*journal, &*hold);
        let search = Search { journal, hold, chain: &chain, render, reason: &asked.reason, context };
        search.all(&run, &keys).await?
    } else {
        let decision = if asked.sent { Decision::Sent } else { Decision::Resend };
        let now = context.clock.now();
        (journal.resolve(&*hold, &keys, decision, &asked.reason, now).await?, Vec::new())
    };
    drop(hold);
    let shown = document::read(&*journal, &run.id).await?;
    let addresses: Vec<String> = moved.iter().map(|delivery| delivery.address.to_string()).collect();
    out.document(&json!({ "version": 1, "exit": 0, "run": shown.head(), "resolved": addresses,
        "looked_up": told, "totals": shown.totals }));
    for address in &addresses {
        out.line(address);
    }
    out.note(say!(out, "resolved", count = addresses.len()));
    if shown.totals.pending > 0 {
        out.note(say!(out, "end-pending", count = shown.totals.pending, run = run.id.as_str()));
    }
    journal.close().await;
    Ok(Exit::Done)
}

/// That somebody was reached is an end, and a compare-and-set: workers may go on beside it. Whoever is to be sent
/// again wants the run alone, for a worker may be repeating its uncertain request at this very moment, and
/// that and a new attempt would be two copies; so does a look-up, which repeats it too.
async fn hold(
    journal: &dyn Journal,
    run: &RunRecord,
    asked: &Resolve,
    config: &Config,
    context: &Context<'_>,
) -> Result<Box<dyn Hold>, Failure> {
    let held = match asked.sent && !asked.at_risk {
        true => journal.join(&run.id).await,
        false => journal.hold(&run.id).await,
    };
    held.map_err(|error| match config.state_dir() {
        // Workers let go of a run that is paused.
        None if matches!(error, HoldError::Held { .. }) => {
            let hint = say!(context.out, "resolve-pause-first", run = run.id.as_str());
            Failure::from(error).with_hint(hint)
        }
        _ => error.into(),
    })
}

fn keys(addresses: &[String]) -> Result<Vec<RecipientKey>, Failure> {
    let key = |text: &String| {
        let address = EmailAddress::parse(text)
            .map_err(|error| Failure::usage("resolve.address", &error).with_hint(error.hint()))?;
        Ok(address.key())
    };
    addresses.iter().map(key).collect()
}

/// A search for proof at the providers.
pub(super) struct Search<'s, 'c> {
    pub(super) journal: &'s dyn Journal,
    pub(super) hold: &'s dyn Hold,
    pub(super) chain: &'s [LinkConfig],
    pub(super) render: Arc<dyn Render>,
    /// What the audit says of a decision by proof.
    pub(super) reason: &'s str,
    pub(super) context: &'s Context<'c>,
}

impl Search<'_, '_> {
    /// Asks for each unknown recipient; positive proof decides, absence decides nothing.
    pub(super) async fn all(
        &self,
        run: &RunRecord,
        keys: &[RecipientKey],
    ) -> Result<(Vec<DeliveryRecord>, Vec<Value>), Failure> {
        let (mut moved, mut told) = (Vec::new(), Vec::new());
        let mut unknown = Vec::new();
        let mut pages = Pages::in_groups(self.journal, &run.id, [vec![DeliveryState::Unknown]]);
        while let Some(page) = pages.next().await? {
            unknown.extend(page);
        }
        let is_asked = |one: &DeliveryRecord| keys.is_empty() || keys.contains(&one.address.key());
        for delivery in unknown.into_iter().filter(is_asked) {
            let (attempt, found) = self.one(&delivery).await?;
            let provider = attempt.as_ref().map(|attempt| attempt.provider.to_string()).unwrap_or_default();
            let word = word(&found);
            self.context.out.note(self.told(&delivery, &provider, &found));
            let mut one =
                json!({ "address": delivery.address.to_string(), "provider": provider, "found": word });
            if let LookUp::Failed(reason) = &found {
                one["reason"] = json!(reason);
            }
            told.push(one);
            if let (Some(attempt), LookUp::Found(Outcome::Refused(refusal))) = (&attempt, &found)
                && refusal.blames == Blame::Recipient
                && self.is_refused(attempt, &delivery, &refusal.reply).await?
            {
                moved.push(DeliveryRecord { state: DeliveryState::Refused, ..delivery });
                continue;
            }
            let decision = match &found {
                LookUp::Found(Outcome::Accepted(_)) => Some(Decision::Sent),
                // It shows that it never sent it and never will.
                LookUp::Found(Outcome::Refused(refusal)) if refusal.blames != Blame::Recipient => {
                    Some(Decision::Resend)
                }
                _ => None,
            };
            if let Some(decision) = decision {
                let now = self.context.clock.now();
                let key = [delivery.address.key()];
                let decided = self.journal.resolve(self.hold, &key, decision, self.reason, now);
                moved.extend(decided.await?);
            }
        }
        Ok((moved, told))
    }

    /// The provider left this very recipient out: the end, as when its event tells it (`sync`).
    async fn is_refused(
        &self,
        attempt: &AttemptRecord,
        delivery: &DeliveryRecord,
        reply: &str,
    ) -> Result<bool, Failure> {
        let event = ProviderEvent {
            attempt: Some(attempt.id),
            reason: Some(reply.to_owned()),
            ..ProviderEvent::new(EventKind::Blocked, &delivery.address.to_string())
        };
        let now = self.context.clock.now();
        let recorded = self.journal.record_events(&attempt.provider, vec![event], now).await?;
        Ok(!recorded.resolved.is_empty())
    }

    /// What was found of this recipient, in the user's words.
    fn told(&self, delivery: &DeliveryRecord, provider: &str, found: &LookUp) -> String {
        let (out, address) = (self.context.out, delivery.address.to_string());
        match found {
            LookUp::Found(Outcome::Accepted(_)) => {
                say!(out, "look-up-accepted", address = address, provider = provider)
            }
            LookUp::Found(Outcome::Refused(_)) => {
                say!(out, "look-up-refused", address = address, provider = provider)
            }
            LookUp::Found(_) => say!(out, "look-up-found", address = address, provider = provider),
            LookUp::NotFound => say!(out, "look-up-not-found", address = address, provider = provider),
            LookUp::CannotTell => say!(out, "look-up-cannot-tell", address = address, provider = provider),
            LookUp::Failed(reason) => {
                say!(out, "look-up-failed", address = address, provider = provider, reason = reason)
            }
        }
    }

    /// Its uncertain attempt, and what that one's provider knows.
    async fn one(&self, delivery: &DeliveryRecord) -> Result<(Option<AttemptRecord>, LookUp), Failure> {
        let attempts = self.journal.attempts(delivery.id).await?;
        let unknown = attempts.into_iter().rev().find(|attempt| attempt.state == AttemptState::Unknown);
        let Some(attempt) = unknown else { return Ok((None, LookUp::CannotTell)) };
        let link = self.chain.iter().find(|link| *link.provider.name() == attempt.provider);
        let Some(link) = link else { return Ok((Some(attempt), LookUp::CannotTell)) };
        let message = match self.render.render(delivery) {
            Ok(message) => Arc::new(message),
            Err(refused) => return Ok((Some(attempt), LookUp::Failed(refused.reason))),
        };
        let parcel = Parcel { message, attempt: attempt.id, idempotency_key: attempt.idempotency_key };
        let earlier = EarlierAttempt {
            parcel,
            started_at: attempt.started_at,
            request_digest: attempt.request_digest,
            provider_id: attempt.provider_id.clone(),
        };
        let found = link.provider.look_up(&earlier).await;
        Ok((Some(attempt), found))
    }
}

/// In the JSON document.
fn word(found: &LookUp) -> &'static str {
    match found {
        LookUp::Found(Outcome::Accepted(_)) => "accepted",
        LookUp::Found(Outcome::Refused(_)) => "not-accepted",
        LookUp::Found(_) => "found",
        LookUp::NotFound => "not-found",
        LookUp::CannotTell => "cannot-tell",
        LookUp::Failed(_) => "failed",
    }
}
