//! Our own addresses: used in turn, benched when a server blocks one.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a refusal says when it is our address that the server blocks, in front of the server's own words.
pub(super) fn blocked(source: IpAddr, wait: Duration, reply: &str) -> String {
    let minutes = wait.as_secs().div_ceil(60);
    format!("the server blocks our address {source}, which rests for {minutes} min: {reply}")
}

/// The source address (`bind`) that is blocked, and benched, by a refusal whose `reply` this is.
#[must_use]
pub fn blocked_source(reply: &str) -> Option<IpAddr> {
    let source = reply.strip_prefix("the server blocks our address ")?.split_once(", which rests for ")?.0;
    source.parse().ok()
}

#[derive(Debug)]
pub(super) struct Sources {
    all: Mutex<Turn>,
}

#[derive(Debug)]
struct Turn {
    sources: Vec<(IpAddr, Option<Instant>)>,
    next: usize,
}

impl Sources {
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        let sources = addresses.iter().map(|address| (*address, None)).collect();
        Self { all: Mutex::new(Turn { sources, next: 0 }) }
    }

    /// Whether the user named any.
    pub(super) fn are_given(&self) -> bool {
        !self.lock().sources.is_empty()
    }

    /// The next source of the same family as `server`. When all are benched: the one that comes
    /// back first, for it is not ours to say that nothing may be tried.
    pub(super) fn next_for(&self, server: IpAddr, now: Instant) -> Option<IpAddr> {
        let mut turn = self.lock();
        let count = turn.sources.len();
        let order: Vec<usize> = (0..count).map(|step| (turn.next + step) % count).collect();
        let fits = |index: &&usize| turn.sources[**index].0.is_ipv4() == server.is_ipv4();
        let is_free = |index: &&usize| turn.sources[**index].1.is_none_or(|until| until <= now);
        let free = order.iter().filter(fits).find(is_free);
        let chosen = free.or_else(|| order.iter().filter(fits).min_by_key(|index| turn.sources[**index].1));
        let chosen = *chosen?;
        turn.next = (chosen + 1) % count;
        Some(turn.sources[chosen].0)
    }

    /// Keeps `source` out of the turn for so long; says whether another one can stand in.
    pub(super) fn bench(&self, source: IpAddr, now: Instant, wait: Duration) -> bool {
        let mut turn = self.lock();
        for entry in turn.sources.iter_mut().filter(|entry| entry.0 == source) {
            entry.1 = Some(now + wait);
        }
        turn.sources.iter().any(|(address, until)| {
            address.is_ipv4() == source.is_ipv4() && until.is_none_or(|until| until <= now)
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Turn> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_refusal_names_the_address_that_is_blocked_and_no_servers_words_do() {
        let said = blocked(ip("192.0.2.1"), Duration::from_secs(3600), "554 5.7.1 blocked");
        assert_eq!(
            said,
            "the server blocks our address 192.0.2.1, which rests for 60 min: 554 5.7.1 blocked"
        );
        assert_eq!(blocked_source(&said), Some(ip("192.0.2.1")));
        assert_eq!(
            blocked_source("554 5.7.1 the server blocks our address 192.0.2.1, which rests for 1"),
            None
        );
    }

    #[tokio::test]
    async fn sources_take_turns_and_a_benched_one_is_left_out_until_its_time() {
        let sources = Sources::new(&[ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1")]);
        let server = ip("198.51.100.1");
        let now = Instant::now();
        let take = |now| sources.next_for(server, now).unwrap().to_string();
        assert_eq!([take(now), take(now), take(now)], ["192.0.2.1", "192.0.2.2", "192.0.2.1"]);

        let others_are_left = sources.bench(ip("192.0.2.1"), now, Duration::from_secs(60));

        assert!(others_are_left);
        assert_eq!([take(now), take(now)], ["192.0.2.2", "192.0.2.2"]);
        let later = now + Duration::from_secs(60);
        assert_eq!([take(later), take(later)], ["192.0.2.1", "192.0.2.2"]);
    }

    #[tokio::test]
    async fn with_all_benched_the_first_to_return_is_tried() {
        let sources = Sources::new(&[ip("192.0.2.1"), ip("192.0.2.2")]);
        let now = Instant::now();
        assert!(sources.bench(ip("192.0.2.1"), now, Duration::from_secs(60)));
        assert!(!sources.bench(ip("192.0.2.2"), now, Duration::from_secs(30)));

        assert_eq!(sources.next_for(ip("198.51.100.1"), now), Some(ip("192.0.2.2")));
    }

    #[tokio::test]
    async fn no_source_of_the_servers_family_is_none() {
        let sources = Sources::new(&[ip("192.0.2.1")]);

        assert_eq!(sources.next_for(ip("2001:db8::2"), Instant::now()), None);
    }
}
