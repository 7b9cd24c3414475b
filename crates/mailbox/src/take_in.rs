//! From letters to the journal: whose message it is, what is kept, and what a person must be shown.
//!
//! - A report or a complaint counts for the delivery that its clues name, whoever it says the recipient is.
//! - An opt-out is proved when its subject has the Message-ID that our List-Unsubscribe put there, or when it
//!   answers our message and comes from the address that we wrote to. One that only comes from a recipient's
//!   address may be forged: it is quarantined, which a person sees, and nobody loses the next release by it.
//! - Answers are kept nowhere; they are shown once.

use std::collections::HashMap;

use depeche_core::address::RecipientKey;
use depeche_core::after::{self, TakenIn};
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::{
    DeliveryRecord, DeliveryState, Journal, JournalError, RunId, RunKind, Suppression,
};
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use crate::letter::{Answer, AnswerKind, Class, Clues, Letter, Report};

/// Who tells, in the journal.
pub const SOURCE: &str = "bounces";

/// Everybody we wrote to: by Message-ID, and by address.
#[derive(Debug, Default)]
pub struct Roster {
    by_message: HashMap<String, (RunId, RecipientKey)>,
    /// Brevo gives messages ids of its own, which their answers refer to; less random than ours, so they
    /// find an answer's message and prove nothing by themselves.
    by_provider_id: HashMap<String, (String, RunId, RecipientKey)>,
    by_address: HashMap<RecipientKey, RunId>,
}

/// What letters came to.
#[derive(Debug, Default)]
pub struct Tidings {
    /// What the journal took in.
    pub taken_in: TakenIn,
    /// What a person may want to see.
    pub findings: Vec<Finding>,
    /// Opt-outs that nothing proves, and that were not on the list before.
    pub quarantined: u64,
    /// Letters that are about nothing of ours.
    pub others: u64,
    /// Reports that cannot be understood, by their subjects.
    pub unclear: Vec<String>,
}

/// Something a person may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub found: Found,
    /// The run of the message that it is about; of an answer that names none, the last to that address.
    pub run: RunId,
    /// Whom we wrote to.
    pub recipient: RecipientKey,
    /// When, by its writer's clock.
    pub at: Option<Timestamp>,
    /// False for a report that the journal had already.
    pub new: bool,
}

/// What a person may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A report: why, and in whose words.
    Report {
        /// What it comes to.
        kind: EventKind,
        /// Why.
        class: Class,
        /// The receiver's own words.
        reason: Option<String>,
    },
    /// The recipient reported the message as spam.
    Complaint,
    /// An answer.
    Answer {
        /// What it is.
        kind: AnswerKind,
        /// Who writes.
        from: String,
        /// Its subject.
        subject: String,
        /// Whether it answers our message from the address that we wrote to, or has its id in the subject.
        proved: bool,
    },
}

impl Roster {
    /// Reads everybody whom real runs wrote to.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn read(journal: &dyn Journal) -> Result<Self, JournalError> {
        let mut roster = Self::default();
        // The newest run first: it stands for the address.
        for run in journal.runs().await?.into_iter().filter(|run| run.kind == RunKind::Real) {
            let mut after = None;
            loop {
                let page = journal.deliveries(&run.id, after, 1_000).await?;
                let Some(last) = page.last() else { break };
                after = Some((last.tier, last.position));
                for delivery in &page {
                    roster.add(&run.id, delivery);
                }
            }
        }
        Ok(roster)
    }

    fn add(&mut self, run: &RunId, delivery: &DeliveryRecord) {
        use DeliveryState::{Cancelled, Pending, Suppressed};
        if matches!(delivery.state, Pending | Suppressed | Cancelled) {
            return;
        }
        let key = delivery.address.key();
        let id = delivery.message_id.as_str().to_owned();
        if let Some(theirs) = &delivery.provider_id {
            let theirs = format!("<{}>", theirs.trim_matches(['<', '>']));
            self.by_provider_id.insert(theirs, (id.clone(), run.clone(), key.clone()));
        }
        self.by_message.insert(id, (run.clone(), key.clone()));
        self.by_address.entry(key).or_insert_with(|| run.clone());
    }

    fn of_message(&self, id: &str) -> Option<&(RunId, RecipientKey)> {
        self.by_message.get(id)
    }

    /// The message that an answer refers to, by our id or its provider's: our id, the run, and whom we
    /// wrote to.
    fn answered(&self, id: &str) -> Option<(String, (RunId, RecipientKey))> {
        let ours = self.by_message.get(id).map(|of| (id.to_owned(), of.clone()));
        let theirs = || self.by_provider_id.get(id);
        ours.or_else(|| theirs().map(|(id, run, key)| (id.clone(), (run.clone(), key.clone()))))
    }
}

/// Takes letters in: what they prove goes into the journal, once; what a person should see comes back.
///
/// # Errors
///
/// When the journal cannot be read or written; the letters must then be read again.
pub async fn take_in(
    journal: &dyn Journal,
    roster: &Roster,
    letters: Vec<Letter>,
    now: Timestamp,
) -> Result<Tidings, JournalError> {
    let mut sorted = Sorted::default();
    for letter in letters {
        sorted.add(letter, roster);
    }
    let Sorted { mut tidings, events, shown, doubtful } = sorted;
    let source = ProviderName::new(SOURCE).expect("`bounces` is a provider name");
    tidings.taken_in = after::take_in(journal, &source, events, now).await?;
    for (place, found, at) in shown {
        let told = tidings.taken_in.told.get(place);
        if let Some((Some((run, recipient)), new)) = told.map(|told| (told.of.clone(), told.new)) {
            tidings.findings.push(Finding { found, run, recipient, at, new });
        }
    }
    let entry = |key: RecipientKey| Suppression {
        key,
        reason: "opted out by mail, without proof".to_owned(),
        source: SOURCE.to_owned(),
        quarantined: true,
        at: now,
    };
    tidings.quarantined = journal.suppress(doubtful.into_iter().map(entry).collect()).await?;
    tidings.others += tidings.taken_in.unmatched;
    Ok(tidings)
}

/// Letters, sorted by what is to be done.
#[derive(Default)]
struct Sorted {
    tidings: Tidings,
    events: Vec<ProviderEvent>,
    /// By the place of its event.
    shown: Vec<(usize, Found, Option<Timestamp>)>,
    doubtful: Vec<RecipientKey>,
}

impl Sorted {
    fn add(&mut self, letter: Letter, roster: &Roster) {
        match letter {
            Letter::Report(report) => self.report(report),
            Letter::Complaint { clues, at } => self.complaint(&clues, at, roster),
            Letter::Answer(answer) => self.answer(answer, roster),
            Letter::Unclear { subject } => self.tidings.unclear.push(subject),
            Letter::Unreadable => self.tidings.others += 1,
        }
    }

    fn report(&mut self, report: Report) {
        if report.clues == Clues::default() {
            self.tidings.others += 1;
            return;
        }
        for notice in report.notices {
            let found =
                Found::Report { kind: notice.kind, class: notice.class, reason: notice.reason.clone() };
            self.shown.push((self.events.len(), found, report.at));
            self.events.push(ProviderEvent {
                at: report.at,
                attempt: report.clues.attempt,
                message_id: report.clues.message_id.clone(),
                reason: notice.reason,
                ..ProviderEvent::new(notice.kind, &notice.recipient)
            });
        }
    }

    /// Only for a message that we know: a complaint about another one must not suppress anybody.
    fn complaint(&mut self, clues: &Clues, at: Option<Timestamp>, roster: &Roster) {
        let known = clues.message_id.as_deref().and_then(|id| Some((id, roster.of_message(id)?)));
        let Some((id, (_, key))) = known else {
            self.tidings.others += 1;
            return;
        };
        self.wish(EventKind::Complained, id, key, at, Found::Complaint);
    }

    fn answer(&mut self, answer: Answer, roster: &Roster) {
        let from = answer.from.key();
        let by_message = answer.refers_to.iter().find_map(|id| roster.answered(id));
        let proved = by_message.as_ref().is_some_and(|(_, (_, key))| *key == from);
        let by_address = || roster.by_address.get(&from).map(|run| (run.clone(), from.clone()));
        let found = Found::Answer {
            kind: answer.kind.clone(),
            from: answer.from.to_string(),
            subject: answer.subject.clone(),
            proved,
        };
        let is_opt_out = answer.kind == AnswerKind::OptOut;
        let by_subject = answer.opts_out_of.filter(|_| is_opt_out);
        if let Some((id, (_, key))) = by_subject.and_then(|id| Some((id.clone(), roster.of_message(&id)?))) {
            self.wish(EventKind::Unsubscribed, &id, key, answer.at, proved_of(found));
            return;
        }
        match by_message {
            Some((id, (_, key))) if is_opt_out && proved => {
                self.wish(EventKind::Unsubscribed, &id, &key, answer.at, found);
            }
            Some((_, (run, recipient))) => self.show(found, run, recipient, answer.at),
            None => match by_address() {
                Some((run, recipient)) => {
                    self.doubtful.extend(is_opt_out.then(|| recipient.clone()));
                    self.show(found, run, recipient, answer.at);
                }
                None => self.tidings.others += 1,
            },
        }
    }

    fn wish(&mut self, kind: EventKind, id: &str, key: &RecipientKey, at: Option<Timestamp>, found: Found) {
        self.shown.push((self.events.len(), found, at));
        let message_id = Some(id.to_owned());
        self.events.push(ProviderEvent { at, message_id, ..ProviderEvent::new(kind, key.as_str()) });
    }

    fn show(&mut self, found: Found, run: RunId, recipient: RecipientKey, at: Option<Timestamp>) {
        self.tidings.findings.push(Finding { found, run, recipient, at, new: true });
    }
}

fn proved_of(found: Found) -> Found {
    match found {
        Found::Answer { kind, from, subject, .. } => Found::Answer { kind, from, subject, proved: true },
        other => other,
    }
}
