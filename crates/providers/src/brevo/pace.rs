//! Brevo's limits per group of endpoints, kept before Brevo has to say 429 (PROVIDERS.md, section 1.3).
//!
//! Only what is asked beside the sending is paced here: `/account` and its like share 100 calls an
//! hour, the statistics 300, the list of e-mails 2 a second, contacts 10 a second. Each group is one governor (GCRA) over the
//! injected clock, for this process alone; what other programs use of the account shows as a 429, which
//! is obeyed as ever.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use depeche_core::clock::Clock;
use depeche_core::outcome::{Refusal, Trouble};
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A wait up to this long is waited; a longer one is told.
const PATIENCE: Duration = Duration::from_secs(2);

type Governor = RateLimiter<NotKeyed, InMemoryState, Injected, NoOpMiddleware<Duration>>;

/// The governors of one account.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    emails: Arc<Governor>,
    statistics: Arc<Governor>,
    contacts: Arc<Governor>,
    rest: Arc<Governor>,
    clock: Injected,
}

/// The injected clock, as governor reads it: time since 1970.
#[derive(Clone)]
struct Injected(Arc<dyn Clock>);

impl std::fmt::Debug for Injected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Injected")
    }
}

impl GovernorClock for Injected {
    type Instant = Duration;

    fn now(&self) -> Duration {
        // Before 1970 all moments are one: a clock set that wrongly slows, and never lets more through.
        Duration::try_from(self.0.now().as_duration()).unwrap_or_default()
    }
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let clock = Injected(clock);
        let governor = |quota: Quota| Arc::new(RateLimiter::direct_with_clock(quota, clock.clone()));
        Self {
            emails: governor(Quota::per_second(calls(2))),
            statistics: governor(Quota::per_hour(calls(300))),
            contacts: governor(Quota::per_second(calls(10))),
            rest: governor(Quota::per_hour(calls(100))),
            clock: clock.clone(),
        }
    }

    /// Waits for the group of `path` to be free.
    ///
    /// # Errors
    ///
    /// A refusal with the wait, when that is longer than a person waits.
    pub(super) async fn free(&self, path: &str) -> Result<(), Refusal> {
        let governor = self.group(path);
        while let Err(not_until) = governor.check() {
            let wait = not_until.wait_time_from(self.clock.now());
            if wait > PATIENCE {
                let reply = format!("Brevo allows no further call of {path} within the hour");
                return Err(Refusal::provider(Trouble::Throttled, reply).with_retry_after(Some(wait)));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    fn group(&self, path: &str) -> &Governor {
        if path == "/smtp/emails" {
            &self.emails
        } else if path.starts_with("/smtp/") {
            &self.statistics
        } else if path.starts_with("/contacts") {
            &self.contacts
        } else {
            &self.rest
        }
    }
}

fn calls(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use depeche_testkit::clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn the_hundred_and_first_call_of_an_hour_is_refused_until_its_turn() {
        let clock = Arc::new(ManualClock::at("2026-12-03T08:00:00Z".parse().unwrap()));
        let pace = Pace::new(clock.clone());

        for _ in 0..100 {
            pace.free("/account").await.unwrap();
        }
        let refusal = pace.free("/senders/domains").await.unwrap_err();

        assert_eq!(refusal.trouble, Some(Trouble::Throttled));
        // 100 an hour is one every 36 s.
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(36)));
        pace.free("/smtp/statistics/events").await.unwrap();
        clock.advance(Duration::from_secs(36));
        pace.free("/account").await.unwrap();
    }
}
