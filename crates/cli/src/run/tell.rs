//! Progress, in the words of a press office.

use std::collections::BTreeSet;
use std::net::IpAddr;

use depeche::engine::Event;
use depeche::journal::RunId;
use depeche::provider::ProviderName;
use depeche::providers::smtp::blocked_source;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::bars::Bars;
use crate::out::Out;
use crate::words::say;

/// Tells events; it remembers who is set aside, to name who goes on.
pub(super) struct Teller<'o> {
    out: &'o Out,
    route: Vec<ProviderName>,
    set_aside: BTreeSet<ProviderName>,
    /// What was not checked, and told so already.
    not_checked: BTreeSet<ProviderName>,
    /// Our own addresses that a server blocks, and that were told of.
    benched: BTreeSet<IpAddr>,
    /// Stands before every line, where several runs are told of at once.
    name: Option<RunId>,
    /// On a terminal.
    bars: Option<Bars>,
}

impl<'o> Teller<'o> {
    pub(super) fn new(out: &'o Out, route: Vec<ProviderName>, name: Option<RunId>) -> Self {
        Self {
            out,
            route,
            set_aside: BTreeSet::new(),
            not_checked: BTreeSet::new(),
            benched: BTreeSet::new(),
            bars: (name.is_none() && out.draws_bars()).then(Bars::new),
            name,
        }
    }

    /// Tells one event. What each recipient got is told only with `-v`.
    pub(super) fn tell(&mut self, event: &Event) {
        match event {
            Event::SetAside { provider, .. }
            | Event::Suspect { provider }
            | Event::Blocked { provider, .. } => {
                self.set_aside.insert(provider.clone());
            }
            // A fallback is asked for again before its first message: once is enough to be told.
            Event::NotChecked { provider, .. } if !self.not_checked.insert(provider.clone()) => return,
            Event::Trusted { provider } | Event::Back { provider } => {
                self.set_aside.remove(provider);
            }
            _ => {}
        }
        if let Some(bars) = &mut self.bars {
            bars.hear(event);
        }
        let benched = self.benched(event);
        let line = self.on_providers(event).or(benched).or_else(|| important(self.out, event));
        let line = line.or_else(|| detail(self.out, event).filter(|_| self.out.verbose > 0));
        let line = line.map(|line| match &self.name {
            Some(name) => format!("{name}: {line}"),
            None => line,
        });
        match (line, &self.bars) {
            (Some(line), Some(bars)) => bars.print(&line),
            (Some(line), None) => self.out.note(line),
            (None, _) => {}
        }
    }

    /// Who goes on while `provider` does not: `going on with Brevo`.
    fn next(&self, provider: &ProviderName) -> String {
        let next = self.route.iter().find(|name| *name != provider && !self.set_aside.contains(name));
        match next {
            Some(next) => say!(self.out, "told-next", provider = next.to_string()),
            None => say!(self.out, "told-no-next"),
        }
    }

    /// A server blocks one of our addresses: told once, for only a person can have it taken off a list.
    fn benched(&mut self, event: &Event) -> Option<String> {
        let (Event::WillRetry { provider, reply, .. } | Event::MovedOn { provider, reply, .. }) = event
        else {
            return None;
        };
        self.benched.insert(blocked_source(reply)?).then(|| {
            let (provider, reply) = (provider.to_string(), self.out.words.library(reply));
            say!(self.out, "told-benched", provider = provider, reply = reply)
        })
    }

    fn on_providers(&self, event: &Event) -> Option<String> {
        let out = self.out;
        Some(match event {
            Event::SetAside { provider, since, reason, .. } => {
                let (since, next) = (clock_time(*since), self.next(provider));
                let name = provider.to_string();
                let reason = out.words.library(reason);
                say!(out, "told-set-aside", provider = name, since = since, next = next, reason = reason)
            }
            Event::Suspect { provider } => {
                say!(out, "told-suspect", provider = provider.to_string(), next = self.next(provider))
            }
            Event::BudgetFull { provider, until, .. } => {
                let (until, next) = (clock_time(*until), self.next(provider));
                say!(out, "told-budget", provider = provider.to_string(), until = until, next = next)
            }
            _ => return None,
        })
    }
}

/// A moment in local time, with its date when that is another day.
pub(crate) fn clock_time(at: Timestamp) -> String {
    let zone = TimeZone::system();
    let (then, now) = (at.to_zoned_datetime(zone.clone()), Timestamp::now().to_zoned_datetime(zone));
    let format = if then.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    then.strftime(format).to_string()
}

fn important(out: &Out, event: &Event) -> Option<String> {
    Some(match event {
        Event::OrphansFound { count } => say!(out, "told-orphans", count = *count),
        Event::Refused { address, reply, .. } => {
            say!(out, "told-refused", address = address, reply = out.words.library(reply))
        }
        Event::Unknown { provider, address, detail } => {
            say!(
                out,
                "told-unknown",
                address = address,
                provider = provider.to_string(),
                detail = out.words.library(detail)
            )
        }
        Event::Held { provider, address, reply } => {
            let reply = out.words.library(reply);
            say!(out, "told-held", address = address, provider = provider.to_string(), reply = reply)
        }
        Event::Trusted { provider } | Event::Back { provider } => {
            say!(out, "told-back", provider = provider.to_string())
        }
        Event::Blocked { provider, reason } => {
            say!(out, "told-blocked", provider = provider.to_string(), reason = reason)
        }
        Event::NotChecked { provider, reason } => {
            say!(out, "told-not-checked", provider = provider.to_string(), reason = reason)
        }
        Event::Resting { provider, until, reply } => {
            let (until, reply) = (clock_time(*until), out.words.library(reply));
            say!(out, "told-resting", provider = provider.to_string(), until = until, reply = reply)
        }
        Event::Waiting { until, pending } => {
            say!(out, "told-waiting", until = clock_time(*until), count = *pending)
        }
        Event::Draining { in_flight } => say!(out, "told-draining", count = *in_flight),
        _ => return None,
    })
}

fn detail(out: &Out, event: &Event) -> Option<String> {
    Some(match event {
        Event::Accepted { provider, address } => {
            say!(out, "told-accepted", address = address, provider = provider.to_string())
        }
        Event::Written { address } => say!(out, "told-written", address = address),
        Event::WillRetry { provider, address, at, reply } => say!(
            out,
            "told-retry",
            address = address,
            provider = provider.to_string(),
            at = clock_time(*at),
            reply = out.words.library(reply)
        ),
        Event::MovedOn { provider, address, reply } => {
            let reply = out.words.library(reply);
            say!(out, "told-moved", address = address, provider = provider.to_string(), reply = reply)
        }
        Event::Suppressed { address } => say!(out, "told-suppressed", address = address),
        _ => return None,
    })
}
