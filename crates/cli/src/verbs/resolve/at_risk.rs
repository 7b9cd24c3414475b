//! `resolve --at-risk --resend`: who was accepted by a provider that then burned is sent the release again, by a
//! person's decision, once.
//!
//! Refused without the typed count, as `send` is: whoever got it after all gets it twice. Nobody of whom an
//! event tells what became of the message is taken, and nobody who was sent it again before.

use depeche::address::RecipientKey;
use depeche::journal::{AttemptState, Decision, DeliveryRecord, Hold, Journal, RunRecord};

use crate::args::Resolve;
use crate::config::Config;
use crate::context::Context;
use crate::failure::Failure;
use crate::run::document;
use crate::run::overlay::{Group, Overlay};
use crate::verbs::provider::outage;
use crate::words::say;

/// What is to be sent again.
pub(super) struct Resend<'r> {
    pub(super) journal: &'r dyn Journal,
    pub(super) hold: &'r dyn Hold,
    /// Only these; all when empty.
    pub(super) keys: &'r [RecipientKey],
    pub(super) asked: &'r Resolve,
}

/// So many are moved in one commit.
const AT_ONCE: usize = 500;

impl Resend<'_> {
    /// Asks, and moves them; the deliveries as they were.
    pub(super) async fn all(
        &self,
        run: &RunRecord,
        config: &Config,
        context: &Context<'_>,
    ) -> Result<Vec<DeliveryRecord>, Failure> {
        let out = context.out;
        let shown = document::read(self.journal, &run.id).await?;
        let overlay = Overlay::read(self.journal, &shown, config.at_risk).await?;
        let (keys, again) = self.chosen(&overlay).await?;
        if again > 0 {
            out.warn(say!(out, "at-risk-again", count = again));
        }
        if keys.is_empty() {
            out.note(say!(out, "at-risk-none"));
            return Ok(Vec::new());
        }
        for outage in &overlay.outages {
            out.note(outage::line(outage, context));
        }
        self.confirm(keys.len() as u64, run, context)?;
        let mut moved = Vec::new();
        for part in keys.chunks(AT_ONCE) {
            let (decision, now) = (Decision::ResendAccepted, context.clock.now());
            moved.extend(self.journal.resolve(self.hold, part, decision, &self.asked.reason, now).await?);
        }
        let is_out = |name: &str| {
            overlay.outages.iter().any(|one| one.until.is_none() && one.provider.as_str() == name)
        };
        let rest: Vec<&str> =
            run.route.iter().map(|name| name.as_str()).filter(|name| !is_out(name)).collect();
        if rest.len() < run.route.len() && !rest.is_empty() {
            out.note(say!(out, "at-risk-route", run = run.id.as_str(), route = rest.join(",")));
        }
        Ok(moved)
    }

    /// Who is at risk, and how many more were sent it again before.
    async fn chosen(&self, overlay: &Overlay<'_>) -> Result<(Vec<RecipientKey>, u64), Failure> {
        let (mut keys, mut again) = (Vec::new(), 0);
        let mut pages = overlay.pages(&[Group::AtRisk]);
        while let Some(page) = pages.next().await? {
            for one in page {
                let key = one.delivery.address.key();
                if !self.keys.is_empty() && !self.keys.contains(&key) {
                    continue;
                }
                let attempts = self.journal.attempts(one.delivery.id).await?;
                if attempts.iter().any(|attempt| attempt.state == AttemptState::Superseded) {
                    again += 1;
                } else {
                    keys.push(key);
                }
            }
        }
        Ok((keys, again))
    }

    fn confirm(&self, count: u64, run: &RunRecord, context: &Context<'_>) -> Result<(), Failure> {
        let out = context.out;
        let hint = format!("--confirm {count}");
        match self.asked.confirm {
            Some(number) if number == count => Ok(()),
            Some(number) => {
                let message = say!(out, "at-risk-other", confirmed = number, count = count);
                Err(Failure::guard("confirm.count", message).with_hint(hint))
            }
            None if out.interactive => {
                out.warn(say!(out, "at-risk-who", count = count, run = run.id.as_str()));
                if out.ask(&say!(out, "confirm-ask", count = count)) == count.to_string() {
                    return Ok(());
                }
                Err(Failure::guard("confirm.refused", say!(out, "confirm-refused")))
            }
            None => Err(Failure::guard("confirm.missing", say!(out, "confirm-missing", count = count))
                .with_hint(hint)),
        }
    }
}
