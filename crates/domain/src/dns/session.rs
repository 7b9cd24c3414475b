//! One check's view of DNS: each question asked once, at most so many of them, within so much time.
//!
//! Two askers of the same question at the same moment share one look-up. What goes over the bounds is
//! [`Status::NotAsked`] or [`Status::Timeout`], which nobody may read as "missing".

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::{Answer, Dns, RecordType, Status};
use crate::name;

/// The most look-ups that one domain's check makes.
pub const MAX_QUERIES: usize = 64;
/// The longest that one domain's check asks.
pub const MAX_TIME: Duration = Duration::from_secs(25);

type Key = (String, RecordType);

/// A bounded, remembering view of DNS, for one check.
pub struct Session<'a> {
    below: &'a dyn Dns,
    seen: Mutex<HashMap<Key, Arc<OnceCell<Answer>>>>,
    asked: AtomicUsize,
    most: usize,
    until: Instant,
}

impl<'a> Session<'a> {
    /// A session with the bounds of one domain's check: 64 look-ups, 25 s from now.
    #[must_use]
    pub fn new(below: &'a dyn Dns) -> Self {
        Self::bounded(below, MAX_QUERIES, MAX_TIME)
    }

    /// A session with bounds of one's own.
    #[must_use]
    pub fn bounded(below: &'a dyn Dns, most: usize, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self { below, seen: Mutex::default(), asked: AtomicUsize::new(0), most, until }
    }

    /// How many questions went to the DNS below.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed).min(self.most)
    }

    /// How long it may still ask.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Answer {
        if self.asked.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Answer::without_records(Status::NotAsked);
        }
        let asking = self.below.lookup(name, kind);
        timeout_at(self.until, asking).await.unwrap_or_else(|_| Answer::without_records(Status::Timeout))
    }
}

#[async_trait]
impl Dns for Session<'_> {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let cell = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(seen.entry((name::normal(name), kind)).or_default())
        };
        cell.get_or_init(|| self.ask(name, kind)).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    #[tokio::test]
    async fn a_question_is_asked_once_and_the_bound_is_not_passed() {
        let zone = Zone::parse("@ TXT \"one\"\n", "example.org").unwrap();
        let session = Session::bounded(&zone, 2, MAX_TIME);

        for _ in 0..3 {
            assert_eq!(session.lookup("Example.org", RecordType::Txt).await.status, Status::Found);
        }
        assert_eq!(session.lookup("a.example.org", RecordType::A).await.status, Status::NxDomain);
        let third = session.lookup("b.example.org", RecordType::A).await;

        assert_eq!(third.status, Status::NotAsked);
        assert_eq!(session.asked(), 2);
    }
}
