//! The only door to the time of day and to randomness.
//!
//! Everything that needs "now" is handed a [`Clock`]; everything that needs an identifier is handed
//! an [`Entropy`]. Tests hand in a manual clock and a counter, so that a day of budgets takes no time
//! and a failing seed replays exactly.

use jiff::Timestamp;

/// Tells the wall-clock time.
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A random identifier (UUID version 4, RFC 9562).
    fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // aws-lc aborts on its own failure to seed; an error here means the same.
        aws_lc_rs::rand::fill(bytes).expect("the system's random source answers");
    }
}
