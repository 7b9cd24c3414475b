//! What a scripted server saw.

use std::collections::BTreeMap;

use super::script::{Phase, Rule};

/// A message whose final dot arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its number in the server's life, from 1, by MAIL FROM.
    pub number: u64,
    /// The connection it came by, from 1.
    pub connection: u64,
    /// The address in MAIL FROM, without angle brackets.
    pub from: String,
    /// The parameters of MAIL FROM, as written.
    pub mail_parameters: String,
    /// The addresses in RCPT TO, without angle brackets.
    pub to: Vec<String>,
    /// The parameters of the last RCPT TO, as written.
    pub rcpt_parameters: String,
    /// The message as it was meant: without the added dots and without the terminator.
    pub bytes: Vec<u8>,
    /// What was answered: the first three digits. `None`: nothing that reads as a reply.
    pub answer: Option<u16>,
}

impl Received {
    /// Whether the server said yes to it.
    #[must_use]
    pub fn was_accepted(&self) -> bool {
        self.answer.is_some_and(|code| (200..300).contains(&code) && code != 221)
    }
}

/// All that a scripted server saw so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Messages whose final dot arrived, in that order.
    pub messages: Vec<Received>,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// The most connections open at one moment.
    pub most_open: u64,
    /// Messages begun (MAIL FROM).
    pub begun: u64,
    /// Body bytes that arrived after a 354, terminators included, over all messages.
    pub body_bytes: u64,
    /// Commands by their first word, counted.
    pub commands: BTreeMap<String, u64>,
    /// Command lines in the order they came, each with its connection. AUTH answers are left out.
    pub lines: Vec<(u64, String)>,
}

/// The record, the rules still to come, and whether the server lives.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) record: Record,
    pub(super) rules: Vec<Rule>,
}

impl State {
    /// Takes the first rule that holds, counting it.
    pub(super) fn fault(
        &mut self,
        phase: Phase,
        message: u64,
        recipient: Option<&str>,
    ) -> Option<super::Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.holds(phase, message, recipient))?;
        if let Some(times) = rule.times.as_mut() {
            *times -= 1;
        }
        Some(rule.fault.clone())
    }

    /// The next point of the body at which a rule holds, past `done` bytes.
    pub(super) fn body_point(
        &self,
        done: Option<usize>,
        message: u64,
        recipient: Option<&str>,
    ) -> Option<usize> {
        self.rules
            .iter()
            .filter_map(|rule| match rule.phase {
                Phase::Body(at) if rule.holds(rule.phase, message, recipient) => Some(at),
                _ => None,
            })
            .filter(|at| done.is_none_or(|done| *at > done))
            .min()
    }
}
