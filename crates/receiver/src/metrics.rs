//! What was counted, as Prometheus reads it (text exposition format 0.0.4).
//!
//! Labels hold the names of configured providers and words of ours only: nothing that a sender chooses, so
//! that their number is bounded, and no address.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::provider::ProviderName;

use crate::sink::OptOutMeans;

/// Counters of one receiver, from its start.
#[derive(Debug, Default)]
pub struct Metrics {
    events: Counter,
    deliveries: Counter,
    opt_outs: Counter,
    stop_links: Counter,
    sink_failures: Counter,
    in_flight: AtomicI64,
}

/// How one post to a webhook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Kept,
    NotSigned,
    Malformed,
    TooLarge,
    Slow,
    Busy,
}

/// What the sink was asked to do when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SinkCall {
    Record,
    OptOut,
    Check,
}

/// A request is being answered until this is dropped.
pub(crate) struct InFlight<'a>(&'a AtomicI64);

impl Metrics {
    /// The counters, as Prometheus reads them.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, help, counter) in [
            (
                "webhook_events_total",
                "Events kept, repeated ones each time, by provider and kind.",
                &self.events,
            ),
            ("webhook_posts_total", "Posts to a webhook by provider and how they ended.", &self.deliveries),
            ("opt_outs_total", "Opt-outs kept, repeated ones each time, by means.", &self.opt_outs),
            ("stop_links_refused_total", "Opt-out links that opened nothing, by reason.", &self.stop_links),
            (
                "sink_failures_total",
                "Times that the journal could not be used, by call.",
                &self.sink_failures,
            ),
        ] {
            header(&mut text, name, help, "counter");
            counter.write(&mut text, name);
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        header(&mut text, "requests_in_flight", "Requests that are being answered.", "gauge");
        line(&mut text, format_args!("{PREFIX}requests_in_flight {in_flight}"));
        text
    }

    pub(crate) fn kept(&self, provider: &ProviderName, kinds: &[EventKind]) {
        for kind in kinds {
            self.events.add(&[("provider", provider.as_str()), ("kind", kind.as_str())]);
        }
    }

    pub(crate) fn ended(&self, provider: &ProviderName, ending: Ending) {
        self.deliveries.add(&[("provider", provider.as_str()), ("ending", ending.name())]);
    }

    pub(crate) fn opted_out(&self, means: OptOutMeans) {
        self.opt_outs.add(&[("means", means.name())]);
    }

    pub(crate) fn refused_link(&self, reason: &'static str) {
        self.stop_links.add(&[("reason", reason)]);
    }

    pub(crate) fn sink_failed(&self, call: SinkCall) {
        self.sink_failures.add(&[("call", call.name())]);
    }

    pub(crate) fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotSigned => "not_signed",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::Busy => "busy",
        }
    }
}

impl SinkCall {
    fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::OptOut => "opt_out",
            Self::Check => "check",
        }
    }
}

/// The kinds of these events, for counting them after they were handed on.
pub(crate) fn kinds(events: &[ProviderEvent]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

/// Counts by labels; the labels are kept as they are written out.
#[derive(Debug, Default)]
struct Counter(Mutex<BTreeMap<String, u64>>);

impl Counter {
    fn add(&self, labels: &[(&str, &str)]) {
        let written: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        // A count is whole at any moment: a thread that panicked elsewhere spoils nothing.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(written.join(",")).or_default() += 1;
    }

    fn write(&self, text: &mut String, name: &str) {
        for (labels, count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            line(text, format_args!("{PREFIX}{name}{{{labels}}} {count}"));
        }
    }
}

fn header(text: &mut String, name: &str, help: &str, kind: &str) {
    line(text, format_args!("# HELP {PREFIX}{name} {help}"));
    line(text, format_args!("# TYPE {PREFIX}{name} {kind}"));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes what is written to it");
    text.push('\n');
}

/// Backslash, quotation mark and line feed are escaped in a label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

const PREFIX: &str = "depeche_";
