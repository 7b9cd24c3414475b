//! Says what was found out: lines and the one document, the next command, the exit code.

use depeche::event::EventKind;
use depeche::journal::{Journal, RunId, RunRecord};
use depeche::mailbox::{AnswerKind, Class, Finding, Found, SOURCE};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answered, Source, Synced};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::Out;
use crate::run::{document, drive};
use crate::words::say;

/// Something new about one recipient.
struct Change<'s> {
    run: &'s RunId,
    address: &'s str,
    kind: EventKind,
    class: Option<Class>,
    source: &'s str,
    at: Option<Timestamp>,
    reason: Option<&'s str>,
}

/// Says it. With a run, what belongs to others is left out.
pub(super) async fn tell(
    journal: &dyn Journal,
    runs: &[RunRecord],
    asked: Option<&RunId>,
    synced: &Synced,
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    let out = context.out;
    let is_meant = |run: &RunId| asked.is_none_or(|asked| asked == run);
    let changes: Vec<Change<'_>> =
        changes(synced).into_iter().filter(|change| is_meant(change.run)).collect();
    let answers: Vec<&Finding> = synced
        .findings
        .iter()
        .filter(|finding| matches!(finding.found, Found::Answer { .. }) && is_meant(&finding.run))
        .collect();
    let resolved: Vec<_> =
        synced.all().flat_map(|taken_in| &taken_in.resolved).filter(|(run, _, _)| is_meant(run)).collect();
    for change in changes.iter().filter(|change| is_worth_a_line(change.kind)) {
        let what = what_word(out, change.kind, change.class);
        let reason = change.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
        let (run, source) = (change.run.as_str(), change.source);
        out.line(say!(
            out,
            "sync-change",
            address = change.address,
            what = what,
            reason = reason,
            run = run,
            source = source
        ));
    }
    for (run, key, state) in &resolved {
        out.line(say!(
            out,
            "sync-resolved",
            address = key.as_str(),
            state = state.as_str(),
            run = run.as_str()
        ));
    }
    for finding in &answers {
        if let Some(line) = answer_line(out, finding) {
            out.line(line);
        }
    }
    for subject in &synced.unclear {
        out.warn(say!(out, "sync-unclear", subject = subject));
    }
    let doubtful = doubtful(journal, runs, &is_meant, context).await?;
    sum_up(out, &changes, synced);
    let exit = exit_of(synced, &changes, doubtful);
    let resolved: Vec<Value> = resolved
        .iter()
        .map(|(run, key, state)| json!({ "run": run.as_str(), "address": key.as_str(), "state": state.as_str() }))
        .collect();
    out.document(&json!({
        "version": 1,
        "exit": exit.code(),
        "run": asked.map(RunId::as_str),
        "sources": synced.sources.iter().map(source).collect::<Vec<_>>(),
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "resolved": resolved,
        "answers": answers.iter().map(|finding| answer(finding)).collect::<Vec<_>>(),
        "unclear": synced.unclear,
        "suppressed": synced.suppressed,
        "quarantined": synced.quarantined,
        "contradicting": contradicting(synced),
        "doubtful": doubtful,
    }));
    Ok(exit)
}

fn changes(synced: &Synced) -> Vec<Change<'_>> {
    let by_providers = synced.told.iter().filter(|(source, _)| source != SOURCE);
    let mut changes: Vec<Change<'_>> = by_providers
        .flat_map(|(source, taken_in)| taken_in.told.iter().map(move |told| (source, told)))
        .filter(|(_, told)| told.new)
        .filter_map(|(source, told)| {
            let (run, key) = told.of.as_ref()?;
            let event = &told.event;
            let (at, reason) = (event.at, event.reason.as_deref());
            let address = key.as_str();
            Some(Change { run, address, kind: event.kind, class: None, source, at, reason })
        })
        .collect();
    changes.extend(synced.findings.iter().filter(|finding| finding.new).filter_map(|finding| {
        let (kind, class, reason) = match &finding.found {
            Found::Report { kind, class, reason } => (*kind, Some(*class), reason.as_deref()),
            Found::Complaint => (EventKind::Complained, None, None),
            Found::Answer { kind: AnswerKind::OptOut, proved: true, .. } => {
                (EventKind::Unsubscribed, None, None)
            }
            Found::Answer { .. } => return None,
        };
        let (run, address) = (&finding.run, finding.recipient.as_str());
        Some(Change { run, address, kind, class, source: SOURCE, at: finding.at, reason })
    }));
    changes
}

/// Deliveries are counted; what went wrong is named.
fn is_worth_a_line(kind: EventKind) -> bool {
    kind.is_loss() || kind.is_wish() || kind == EventKind::Deferred
}

/// What an event says, in words.
pub(in crate::verbs) fn kind_word(out: &Out, kind: EventKind) -> String {
    what_word(out, kind, None)
}

fn what_word(out: &Out, kind: EventKind, class: Option<Class>) -> String {
    match (kind, class) {
        (_, Some(Class::Full)) => say!(out, "sync-event-full"),
        (_, Some(Class::Policy)) => say!(out, "sync-event-policy"),
        (EventKind::Accepted, _) => say!(out, "sync-event-accepted"),
        (EventKind::Delivered, _) => say!(out, "sync-event-delivered"),
        (EventKind::Deferred, _) => say!(out, "sync-event-deferred"),
        (EventKind::BouncedHard, _) => say!(out, "sync-event-hard"),
        (EventKind::BouncedSoft, _) => say!(out, "sync-event-soft"),
        (EventKind::InvalidAddress, _) => say!(out, "sync-event-bad"),
        (EventKind::Blocked, _) => say!(out, "sync-event-blocked"),
        (EventKind::Failed, _) => say!(out, "sync-event-failed"),
        (EventKind::Complained, _) => say!(out, "sync-event-complained"),
        (EventKind::Unsubscribed, _) => say!(out, "sync-event-unsubscribed"),
    }
}

/// A proved opt-out has its line among the changes.
fn answer_line(out: &Out, finding: &Finding) -> Option<String> {
    let Found::Answer { kind, from, subject, proved } = &finding.found else { return None };
    let recipient = finding.recipient.as_str();
    Some(match kind {
        AnswerKind::OptOut if *proved => return None,
        AnswerKind::OptOut => {
            say!(out, "sync-opt-out-unproved", from = from, address = recipient, subject = subject)
        }
        AnswerKind::OutOfOffice => say!(out, "sync-away", from = from, subject = subject),
        AnswerKind::Left { write_to } if write_to.is_empty() => {
            say!(out, "sync-left-nowhere", from = from, subject = subject)
        }
        AnswerKind::Left { write_to } => {
            let write_to: Vec<String> = write_to.iter().map(ToString::to_string).collect();
            say!(out, "sync-left", from = from, write_to = write_to.join(", "))
        }
        AnswerKind::Automatic => say!(out, "sync-automatic", from = from, subject = subject),
        AnswerKind::Human => say!(out, "sync-human", from = from, subject = subject),
    })
}

/// Names those about whom a person must decide; returns how many.
async fn doubtful(
    journal: &dyn Journal,
    runs: &[RunRecord],
    is_meant: &dyn Fn(&RunId) -> bool,
    context: &Context<'_>,
) -> Result<u64, Failure> {
    let mut doubtful = 0;
    for run in runs.iter().filter(|run| is_meant(&run.id)) {
        let totals = journal.totals(&run.id).await?;
        if totals.unknown + totals.held > 0 {
            let shown = document::read(journal, &run.id).await?;
            doubtful += shown.doubtful_count();
            drive::call_them(&shown, journal, context).await?;
        }
    }
    Ok(doubtful)
}

fn sum_up(out: &Out, changes: &[Change<'_>], synced: &Synced) {
    let count = |is: &dyn Fn(EventKind) -> bool| changes.iter().filter(|change| is(change.kind)).count();
    out.note(say!(
        out,
        "sync-counts",
        delivered = count(&|kind| kind == EventKind::Delivered),
        late = count(&|kind| kind == EventKind::Deferred),
        lost = count(&EventKind::is_loss),
        wishes = count(&EventKind::is_wish),
    ));
    if synced.suppressed > 0 {
        out.note(say!(out, "sync-suppressed", count = synced.suppressed));
    }
    if synced.quarantined > 0 {
        out.warn(say!(out, "sync-quarantined", count = synced.quarantined));
    }
    if contradicting(synced) > 0 {
        out.warn(say!(out, "sync-contradicting", count = contradicting(synced)));
    }
    let mut named: Vec<&RunId> = Vec::new();
    for change in changes.iter().filter(|change| change.kind.is_loss()) {
        if !named.contains(&change.run) {
            named.push(change.run);
        }
    }
    for run in named {
        let lost = changes.iter().filter(|change| change.kind.is_loss() && change.run == run).count();
        out.warn(say!(out, "sync-call", count = lost, run = run.as_str()));
    }
}

fn contradicting(synced: &Synced) -> u64 {
    synced.all().map(|taken_in| taken_in.contradicting).sum()
}

/// 6 when somebody must decide, 3 when it was told of somebody who did not get it, 8 when the mailbox
/// refused the login, 7 when somebody could not be asked.
fn exit_of(synced: &Synced, changes: &[Change<'_>], doubtful: u64) -> Exit {
    let failed = |source: &Source| match source.answer {
        Answered::Failed { credentials: true, .. } => Some(Exit::Credentials),
        Answered::Failed { .. } => Some(Exit::Inconclusive),
        Answered::Told { .. } | Answered::CannotTell => None,
    };
    let mut found: Vec<Exit> = synced.sources.iter().filter_map(failed).collect();
    found.extend((doubtful > 0).then_some(Exit::Unknown));
    found.extend(changes.iter().any(|change| change.kind.is_loss()).then_some(Exit::Refused));
    Exit::foremost(found)
}

fn source(source: &Source) -> Value {
    let mut shown = json!({ "name": source.name, "since": source.since });
    match &source.answer {
        Answered::Told { new, known, unmatched, complete } => {
            shown["state"] = json!(if *complete { "told" } else { "incomplete" });
            shown["new"] = json!(new);
            shown["known"] = json!(known);
            shown["unmatched"] = json!(unmatched);
        }
        Answered::CannotTell => shown["state"] = json!("cannot-tell"),
        Answered::Failed { reason, .. } => {
            shown["state"] = json!("failed");
            shown["reason"] = json!(reason);
        }
    }
    shown
}

fn change(change: &Change<'_>) -> Value {
    json!({
        "run": change.run.as_str(),
        "address": change.address,
        "event": change.kind.as_str(),
        "class": change.class.map(Class::as_str),
        "source": change.source,
        "at": change.at,
        "reason": change.reason,
    })
}

fn answer(finding: &Finding) -> Value {
    let Found::Answer { kind, from, subject, proved } = &finding.found else { return Value::Null };
    let write_to: Vec<String> = match kind {
        AnswerKind::Left { write_to } => write_to.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    json!({
        "run": finding.run.as_str(),
        "address": finding.recipient.as_str(),
        "kind": kind.as_str(),
        "from": from,
        "subject": subject,
        "at": finding.at,
        "write_to": write_to,
        "proved": proved,
    })
}
