//! Turns a no into a [`Refusal`]: whom it blames, for how long, and whether the address is bad.
//!
//! Known markers decide first, then the enhanced code, then the three digits (the tables of
//! [`super::replies`], with their sources). Then the phase has its say: before a recipient was named
//! nobody can be blamed but the provider, save for the message's size at MAIL FROM.
//!
//! Where sources leave the choice open, this is what was chosen:
//! - 5.7.1 at RCPT or after the dot, without a marker, blames the **message**: one other provider may
//!   try. It may be a policy against our provider's address, and nobody must be forgotten.
//! - "relay denied" blames the **provider**, as a fault that counts, not as one that opens the breaker.
//! - a bare 550 at RCPT is final for the recipient but not a bad address: it is not suppressed.

use std::time::Duration;

use depeche_core::outcome::{Persistence, Refusal, Trouble};

use super::Phase;
use super::replies::{BASIC, ENHANCED, KNOWN, Meaning};
use super::reply::{Enhanced, Reply};

/// A no, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What the engine hears.
    pub refusal: Refusal,
    /// The answer blocks the source address it was given to, for about so long.
    pub blocks_source: Option<Duration>,
}

/// Understands a 4yz or 5yz reply that came in `phase`.
#[must_use]
pub fn classify(phase: Phase, reply: &Reply) -> Classified {
    let text = reply.text();
    let lower = text.to_lowercase();
    let enhanced = reply.enhanced();
    let (meaning, blocks_source) = match by_marker(reply.code(), enhanced, &lower) {
        Some(found) => found,
        None => {
            let by_enhanced = enhanced.and_then(|enhanced| by_enhanced(phase, reply.code(), enhanced));
            (by_enhanced.unwrap_or_else(|| by_code(phase, reply.code())), None)
        }
    };
    let meaning = in_phase(phase, reply.code(), meaning);
    let refusal = refusal(meaning, reply).with_retry_after(stated_wait(&lower));
    Classified { refusal, blocks_source }
}

fn by_marker(code: u16, enhanced: Option<Enhanced>, lower: &str) -> Option<(Meaning, Option<Duration>)> {
    let pair = enhanced.map(|enhanced| (enhanced.subject, enhanced.detail));
    let row = KNOWN.iter().find(|row| {
        row.codes.contains(&code)
            && (row.enhanced.is_empty() || row.enhanced.contains(&pair))
            && row.markers.iter().any(|marker| lower.contains(marker))
    })?;
    Some((row.meaning, row.blocks_source))
}

fn by_enhanced(phase: Phase, code: u16, enhanced: Enhanced) -> Option<Meaning> {
    let row = ENHANCED.iter().find(|row| {
        (row.class == 0 || row.class == enhanced.class)
            && row.subject == enhanced.subject
            && (row.details.0..=row.details.1).contains(&enhanced.detail)
            && (row.phases.is_empty() || row.phases.contains(&phase))
    })?;
    let blames_provider = matches!(row.meaning, Meaning::Provider(_));
    match code {
        // 421 closes the line whatever stands behind it: never the recipient's doing.
        421 if !blames_provider => Some(Meaning::Provider(Trouble::Throttled)),
        // RFC 4954, section 6: these speak of the login, whatever stands behind them.
        530 | 534 | 535 | 538 if !blames_provider => None,
        _ => Some(row.meaning),
    }
}

fn by_code(phase: Phase, code: u16) -> Meaning {
    BASIC
        .iter()
        .find(|row| {
            (row.codes.0..=row.codes.1).contains(&code)
                && (row.phases.is_empty() || row.phases.contains(&phase))
        })
        .map_or(Meaning::Provider(Trouble::Fault), |row| row.meaning)
}

/// What a meaning can be in a phase.
fn in_phase(phase: Phase, code: u16, meaning: Meaning) -> Meaning {
    let is_recipient = matches!(meaning, Meaning::BadAddress | Meaning::Recipient | Meaning::RecipientForNow);
    let class = code / 100;
    match phase {
        Phase::Rcpt | Phase::Dot => meaning,
        Phase::StartTls if code != 421 => Meaning::Provider(Trouble::Tls),
        // RFC 3463 has no subject for "your sender's mailbox": X.1.0 at MAIL FROM is that in practice.
        Phase::Mail if is_recipient && class == 5 => Meaning::Provider(Trouble::Sender),
        Phase::Mail if is_recipient => Meaning::Provider(Trouble::Throttled),
        Phase::Mail => meaning,
        Phase::Auth if is_recipient || meaning == Meaning::Message => {
            Meaning::Provider(if class == 5 { Trouble::Credentials } else { Trouble::Fault })
        }
        _ if is_recipient || meaning == Meaning::Message => Meaning::Provider(Trouble::Fault),
        _ => meaning,
    }
}

fn refusal(meaning: Meaning, reply: &Reply) -> Refusal {
    let said = reply.to_string();
    let by_class = if reply.class() == 5 { Persistence::Permanent } else { Persistence::Transient };
    match meaning {
        Meaning::BadAddress => Refusal::recipient(Persistence::Permanent, true, said),
        Meaning::Recipient => Refusal::recipient(by_class, false, said),
        Meaning::RecipientForNow => Refusal::recipient(Persistence::Transient, false, said),
        Meaning::Message => Refusal { persistence: by_class, ..Refusal::message(said) },
        Meaning::Provider(trouble) => Refusal::provider(trouble, said),
    }
}

/// The wait that the answer states: "try again in 300 seconds", "retry after 5 minutes". A day at most.
fn stated_wait(lower: &str) -> Option<Duration> {
    let (_, after) = ["try again", "retry", "réessayer", "reessayer"]
        .iter()
        .filter_map(|word| lower.split_once(word))
        .min_by_key(|(before, _)| before.len())?;
    let words: Vec<&str> =
        after.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let pair = words.windows(2).take(MOST_WORDS).find_map(|pair| {
        let unit = unit(pair[1])?;
        pair[0].parse::<u64>().ok().map(|count| count.saturating_mul(unit))
    });
    // "in 300s" in one word.
    let single = words.iter().take(MOST_WORDS).find_map(|word| {
        let digits = word.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        Some(word[..digits].parse::<u64>().ok()?.saturating_mul(unit(&word[digits..])?))
    });
    pair.or(single).filter(|seconds| (1..=MOST_SECONDS).contains(seconds)).map(Duration::from_secs)
}

fn unit(word: &str) -> Option<u64> {
    match word {
        "s" | "sec" | "secs" | "second" | "seconds" | "seconde" | "secondes" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60),
        "h" | "hour" | "hours" | "heure" | "heures" => Some(3600),
        _ => None,
    }
}

const MOST_WORDS: usize = 8;
const MOST_SECONDS: u64 = 24 * 3600;

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
