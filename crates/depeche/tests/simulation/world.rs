//! What is true in the simulation: its time, its dice, its trace, and who received what.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use depeche::budget::Limits;
use depeche::clock::Clock;
use depeche::journal::{DeliveryId, DeliveryState, Settlement};
use jiff::{SignedDuration, Timestamp};

use crate::disk::SLOWEST_MS;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// Whether one of `percent` in a hundred chances comes true.
    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The truth about one seed.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) process: AtomicU64,
    begun: tokio::time::Instant,
    steps: AtomicU64,
    trace: Mutex<DefaultHasher>,
    addresses: Mutex<BTreeMap<DeliveryId, String>>,
    received: Mutex<BTreeMap<String, u32>>,
    wire: Mutex<BTreeMap<String, Vec<Timestamp>>>,
    wrong: Mutex<Vec<String>>,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let begun = Timestamp::from_second(1_800_000_000).unwrap();
        begun + SignedDuration::try_from(self.begun.elapsed()).unwrap()
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::seeded(seed),
            process: AtomicU64::new(0),
            begun: tokio::time::Instant::now(),
            steps: AtomicU64::new(0),
            trace: Mutex::default(),
            addresses: Mutex::default(),
            received: Mutex::default(),
            wire: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Something happened: it is counted, and part of the trace.
    pub(crate) fn step(&self, what: &str) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        (self.now().as_microsecond(), what).hash(&mut *self.trace.lock().unwrap());
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub(crate) fn digest(&self) -> u64 {
        self.trace.lock().unwrap().finish()
    }

    pub(crate) fn simulated(&self) -> std::time::Duration {
        self.begun.elapsed()
    }

    /// Tasks may not panic (the engine takes that for a defect of a provider): it is told at the end.
    pub(crate) fn blame(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    pub(crate) fn name(&self, delivery: DeliveryId, address: String) {
        self.addresses.lock().unwrap().insert(delivery, address);
    }

    pub(crate) fn copies(&self, address: &str) -> u32 {
        self.received.lock().unwrap().get(address).copied().unwrap_or_default()
    }

    /// How many messages were handed to `provider`.
    pub(crate) fn handed(&self, provider: &str) -> usize {
        self.wire.lock().unwrap().get(provider).map_or(0, Vec::len)
    }

    /// The receiving side takes a message.
    pub(crate) fn receive(&self, address: &str) {
        let mut received = self.received.lock().unwrap();
        let copies = received.entry(address.to_owned()).or_default();
        *copies += 1;
        if *copies > 1 {
            self.blame(format!("{address} gets {copies} copies"));
        }
    }

    /// A message is handed to `provider` now: no window may hold more than its limit.
    ///
    /// A place is counted before the write of its intent, and that takes its time: so much less than a
    /// window is looked at.
    pub(crate) fn hand_over(&self, provider: &str, limits: &Limits) {
        let now = self.now();
        let mut wire = self.wire.lock().unwrap();
        let sent = wire.entry(provider.to_owned()).or_default();
        sent.push(now);
        let late = SignedDuration::from_millis(i64::try_from(SLOWEST_MS).unwrap());
        let windows = [
            (60, limits.per_minute),
            (3_600, limits.per_hour),
            (86_400, limits.per_day),
            (1, limits.per_second),
        ];
        for (seconds, limit) in windows {
            let Some(limit) = limit else { continue };
            let since = now - SignedDuration::from_secs(seconds) + late;
            let inside = sent.iter().rev().take_while(|at| **at > since).count();
            // Evenly spaced places fill a second at both of its ends.
            if inside > limit as usize {
                self.blame(format!("{provider}: {inside} messages in {seconds} s, {limit} allowed"));
            }
        }
    }

    /// An outcome is about to become durable: does it say what is so?
    pub(crate) fn hold_against_the_truth(&self, settlement: &Settlement) {
        let addresses = self.addresses.lock().unwrap();
        let Some(who) = addresses.get(&settlement.delivery) else {
            return self.blame(format!("nobody is delivery {:?}", settlement.delivery));
        };
        self.judge(who, settlement.to);
    }

    /// Told accepted implies on the wire; on the wire implies accepted, held or unknown.
    pub(crate) fn judge(&self, who: &str, state: DeliveryState) {
        use DeliveryState as D;
        let copies = self.copies(who);
        if copies == 0 && matches!(state, D::Accepted | D::Held) {
            self.blame(format!("{who} is {state} without it"));
        }
        if copies > 0 && !matches!(state, D::Accepted | D::Held | D::Unknown | D::Intent) {
            self.blame(format!("{who} has it and is {state}"));
        }
    }
}
