//! Progress, in the words of a press office.

use depeche::engine::Event;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::out::Out;
use crate::words::say;

/// Tells one event. What each recipient got is told only with `-v`.
pub(super) fn tell(out: &Out, event: &Event) {
    if let Some(line) = important(out, event) {
        out.note(line);
    } else if let Some(line) = detail(out, event).filter(|_| out.verbose > 0) {
        out.note(line);
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
        Event::Refused { address, reply, .. } => say!(out, "told-refused", address = address, reply = reply),
        Event::Unknown { provider, address, detail } => {
            say!(out, "told-unknown", address = address, provider = provider.to_string(), detail = detail)
        }
        Event::Held { provider, address, reply } => {
            say!(out, "told-held", address = address, provider = provider.to_string(), reply = reply)
        }
        Event::Suspect { provider } => say!(out, "told-suspect", provider = provider.to_string()),
        Event::Trusted { provider } | Event::Back { provider } => {
            say!(out, "told-back", provider = provider.to_string())
        }
        Event::SetAside { provider, since, reason, .. } => {
            let since = clock_time(*since);
            say!(out, "told-set-aside", provider = provider.to_string(), since = since, reason = reason)
        }
        Event::Resting { provider, until, reply } => {
            let until = clock_time(*until);
            say!(out, "told-resting", provider = provider.to_string(), until = until, reply = reply)
        }
        Event::BudgetFull { provider, until, .. } => {
            say!(out, "told-budget", provider = provider.to_string(), until = clock_time(*until))
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
            reply = reply
        ),
        Event::MovedOn { provider, address, reply } => {
            say!(out, "told-moved", address = address, provider = provider.to_string(), reply = reply)
        }
        Event::Suppressed { address } => say!(out, "told-suppressed", address = address),
        _ => return None,
    })
}
