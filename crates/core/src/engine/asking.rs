//! What is asked besides sending: whether a provider may be used, and what became of an unknown.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::admission::{Admission, Admitted};
use super::control::Level;
use super::event::Event;
use super::item::Item;
use super::link::Gate;
use super::look_up::{LookUpTask, Proved};
use super::work::{Done, Work};
use crate::journal::{DeliveryId, DeliveryState, JournalError};
use crate::provider::ProviderName;

/// An answer that takes longer says nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// An unknown is looked up so long after each other; never longer than its provider's window.
const LOOK_UPS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(20)];

/// What came of asking.
pub(super) enum Answered {
    Admission {
        link: usize,
        admitted: Admitted,
    },
    /// What was proved, and the journal knows.
    LookUp {
        link: usize,
        delivery: DeliveryId,
        address: String,
        found: Result<Proved, JournalError>,
    },
}

impl Work<'_> {
    /// Asks for every provider of the route.
    pub(super) async fn ask_before_the_run(&mut self) {
        let Some(admission) = self.admission.clone() else { return };
        let names: Vec<ProviderName> = self.links.iter().map(|link| link.name.clone()).collect();
        let asked = join_all(names.iter().map(|name| ask(admission.as_ref(), name)));
        let mut control = self.control.clone();
        let answers = tokio::select! {
            answers = asked => answers,
            // Whoever stops does not wait for the DNS.
            () = control.risen() => return,
        };
        for (index, admitted) in answers.into_iter().enumerate() {
            // A fallback is asked for once more before its first message.
            let gate = if index == 0 { Gate::Open } else { Gate::Closed };
            self.admitted(index, admitted, gate);
        }
    }

    /// Asks for a fallback before its first message.
    pub(super) fn ask_for(&mut self, link: usize) {
        let Some(admission) = self.admission.clone() else {
            self.links[link].gate = Gate::Open;
            return;
        };
        self.links[link].gate = Gate::Asking;
        let name = self.links[link].name.clone();
        self.tasks.spawn(async move {
            let admitted = ask(admission.as_ref(), &name).await;
            Done::Answered(Answered::Admission { link, admitted })
        });
    }

    fn admitted(&mut self, index: usize, admitted: Admitted, gate: Gate) {
        let link = &mut self.links[index];
        let provider = link.name.clone();
        link.gate = gate;
        match admitted {
            Admitted::Allowed => {}
            Admitted::Blocked(reason) => {
                link.gate = Gate::Blocked(reason.clone());
                self.engine.events.tell(Event::Blocked { provider, reason });
            }
            Admitted::NotChecked(reason) => {
                self.engine.events.tell(Event::NotChecked { provider, reason });
            }
        }
    }

    /// Unknowns of an earlier process whose provider recognises a repeat still.
    pub(super) async fn ask_about_unknowns(&mut self) -> Result<(), JournalError> {
        if !self.links.iter().any(|link| link.capability.idempotent_for.is_some())
            || self.engine.journal.totals(&self.run).await?.unknown == 0
        {
            return Ok(());
        }
        let mut after = None;
        loop {
            let unknown = [DeliveryState::Unknown];
            let page = self.engine.journal.deliveries_in(&self.run, &unknown, after, 1_000).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.tier, last.position));
            for record in page {
                let by = |name: &ProviderName| record.provider.as_ref() == Some(name);
                let Some(link) = self.links.iter().position(|link| by(&link.name)) else { continue };
                if self.links[link].capability.idempotent_for.is_some() {
                    self.look_up(Item::new(record), link);
                }
            }
        }
    }

    /// Looks an unknown up, a few times, while it is still unknown and its provider's window is open.
    pub(super) fn look_up(&mut self, item: Item, link: usize) {
        let task = LookUpTask {
            run: self.run.clone(),
            provider: Arc::clone(&self.links[link].provider),
            journal: Arc::clone(&self.engine.journal),
            clock: Arc::clone(&self.engine.clock),
            render: Arc::clone(&self.engine.render),
            window: self.links[link].capability.idempotent_for,
            delivery: item.record,
            message: item.message,
        };
        let mut control = self.control.clone();
        self.tasks.spawn(async move {
            let address = task.delivery.address.to_string();
            let (delivery, mut found) = (task.delivery.id, Ok(Proved::Nothing));
            for wait in LOOK_UPS {
                // Whoever stops does not wait for what the next resume can ask as well.
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = control.risen() => break,
                }
                if control.level() != Level::Run {
                    break;
                }
                found = task.once().await;
                if !matches!(found, Ok(Proved::Nothing)) {
                    break;
                }
            }
            Done::Answered(Answered::LookUp { link, delivery, address, found })
        });
    }

    pub(super) fn answer_came(&mut self, answered: Answered) {
        match answered {
            Answered::Admission { link, admitted } => self.admitted(link, admitted, Gate::Open),
            Answered::LookUp { delivery, found: Ok(Proved::NotAccepted), .. } => self.forget(delivery),
            Answered::LookUp { link, address, found: Ok(Proved::Accepted), .. } => {
                let provider = self.links[link].name.clone();
                self.engine.events.tell(Event::Accepted { provider, address });
            }
            Answered::LookUp { link, address, found: Ok(Proved::Refused(reply)), .. } => {
                let provider = Some(self.links[link].name.clone());
                self.engine.events.tell(Event::Refused { provider, address, reply });
            }
            Answered::LookUp { found, .. } => self.journal_answered(found.map(drop)),
        }
    }
}

async fn ask(admission: &dyn Admission, name: &ProviderName) -> Admitted {
    let asked = AssertUnwindSafe(admission.admit(name)).catch_unwind();
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(_)) => Admitted::NotChecked("the check panicked (an internal error)".to_owned()),
        Err(_) => Admitted::NotChecked("the check took too long".to_owned()),
    }
}
