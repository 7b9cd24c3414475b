//! One connection that may send, and the dialogue of one message on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use depeche_core::address::EmailAddress;
use depeche_core::message::{Message, Mime};
use depeche_core::outcome::{Doubt, DoubtCause, Outcome, Receipt, Refusal};
use depeche_core::provider::Commit;
use lettre::Address;
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{MailBodyParameter, MailParameter, RcptParameter};
use tokio::time::Instant;
use uuid::Uuid;

use super::Phase;
use super::body::{Nature, Stuffed, TERMINATOR};
use super::classify::{Classified, classify};
use super::config::{SmtpConfig, Timeouts};
use super::failure::Failure;
use super::features::Features;
use super::line::{Line, LineFault};
use super::prepared::Prepared;
use super::reply::Reply;

/// One message for one session.
pub(super) struct Job<'a> {
    pub(super) message: &'a Message,
    /// What goes over the line: the message, with our signatures where there are any.
    pub(super) mime: &'a Mime,
    pub(super) nature: Nature,
    pub(super) envelope_from: &'a EmailAddress,
    pub(super) attempt: Uuid,
    pub(super) config: &'a SmtpConfig,
}

/// What became of it, and of the connection.
pub(super) struct Delivered {
    pub(super) end: End,
    /// Whether the session is fit for another message.
    pub(super) keeps: bool,
}

pub(super) enum End {
    Outcome(Outcome),
    /// Proved not accepted.
    No(Classified),
    /// The kept connection had died; nothing of this message was answered.
    Stale,
}

/// Makes whoever comes next ready, if anybody does.
pub(super) type NextOf<'a> = &'a (dyn Fn() -> Option<Arc<Prepared>> + Send + Sync);

/// A message whose MAIL, RCPT and DATA went out behind the terminator of the one before; their answers
/// are on their way, and nothing else may be written until they are read.
struct Ahead {
    prepared: Arc<Prepared>,
    commands: Vec<(Step, String)>,
}

pub(super) struct Session {
    line: Line,
    pub(super) features: Features,
    pub(super) source: Option<IpAddr>,
    pub(super) greeting: String,
    /// Messages begun here, refused ones too: servers count transactions.
    begun: u32,
    used: Instant,
    /// A refused recipient leaves its MAIL FROM standing (RFC 5321, section 4.1.4).
    needs_reset: bool,
    ahead: Option<Ahead>,
}

impl Session {
    pub(super) fn new(line: Line, features: Features, source: Option<IpAddr>, greeting: String) -> Self {
        let used = Instant::now();
        Self { line, features, source, greeting, begun: 0, used, needs_reset: false, ahead: None }
    }

    /// Whether it may carry one more message, by the configured limits.
    pub(super) fn is_fresh(&self, config: &SmtpConfig) -> bool {
        config.per_connection.is_none_or(|most| self.begun < most) && self.used.elapsed() <= config.idle
    }

    /// The message that the server was told of beforehand.
    pub(super) fn announced(&self) -> Option<Arc<Prepared>> {
        self.ahead.as_ref().map(|ahead| Arc::clone(&ahead.prepared))
    }

    /// Whether the server waits for a message that is not this attempt's. Such a session is good for
    /// nothing but being dropped.
    pub(super) fn stands_open_for_another(&self, attempt: Uuid) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.prepared.parcel.attempt != attempt)
    }

    /// The dialogue of one message; `next` is asked when its terminator is due, and told to the server
    /// behind it.
    pub(super) async fn deliver(
        &mut self,
        job: &Job<'_>,
        commit: &dyn Commit,
        next: NextOf<'_>,
    ) -> Delivered {
        let delivered = match self.ahead.take() {
            Some(ahead) => {
                let is_ours = ahead.prepared.parcel.attempt == job.attempt;
                // A session that stands open for another attempt was dropped.
                debug_assert!(is_ours);
                match self.answers(job, commit, true, &ahead.commands, true).await {
                    Err(delivered) => delivered,
                    Ok(()) => self.hand_over(job, commit, next).await,
                }
            }
            None => self.deliver_afresh(job, commit, next).await,
        };
        self.used = Instant::now();
        delivered
    }

    async fn deliver_afresh(&mut self, job: &Job<'_>, commit: &dyn Commit, next: NextOf<'_>) -> Delivered {
        if let Some(refusal) = self.cannot_take(job) {
            return Delivered { end: no(refusal), keeps: true };
        }
        // No NOOP: a line that ended, or a 421 that waits, is seen without asking.
        let was_used = self.begun > 0;
        self.begun += 1;
        if let Err(fault) = self.line.quiet().await {
            return if was_used {
                ended(End::Stale)
            } else {
                broken_off(None, Failure::Line { phase: Phase::Mail, fault })
            };
        }
        match self.envelope(job, commit, was_used).await {
            Err(delivered) => delivered,
            Ok(()) => self.hand_over(job, commit, next).await,
        }
    }

    /// From the 354 on.
    async fn hand_over(&mut self, job: &Job<'_>, commit: &dyn Commit, next: NextOf<'_>) -> Delivered {
        match commit.intent(None).await {
            // After 354 there is no other way out than to close without the terminator.
            Err(denied) => ended(End::Outcome(Outcome::NotStarted(denied))),
            Ok(()) => self.content(job, commit, next).await,
        }
    }

    /// Ends the session in order, within `limit`; the answer does not matter. One that stands open for a
    /// message is closed without a word.
    pub(super) async fn quit(mut self, limit: Duration) {
        if self.ahead.is_some() {
            return;
        }
        let farewell = async {
            if self.line.write(Quit.to_string().as_bytes(), limit).await.is_ok() {
                let _ = self.line.reply(limit).await;
            }
        };
        let _ = tokio::time::timeout(limit, farewell).await;
    }

    /// Asks whether the sender would be taken, and takes it back.
    pub(super) async fn try_sender(&mut self, from: &EmailAddress, limits: &Timeouts) -> Result<(), Failure> {
        let mail = Mail::new(Some(address(from)), Vec::new()).to_string();
        for command in [mail, Rset.to_string()] {
            let line = &mut self.line;
            line.write(command.as_bytes(), limits.command).await.map_err(Failure::line(Phase::Mail))?;
            let reply = line.reply(limits.command).await.map_err(Failure::line(Phase::Mail))?;
            if !reply.is_yes() {
                return Err(Failure::reply(Phase::Mail, reply));
            }
        }
        Ok(())
    }

    /// What EHLO already says about this message.
    fn cannot_take(&self, job: &Job<'_>) -> Option<Refusal> {
        let features = &self.features;
        if let Some(limit) = features.size_limit().filter(|limit| *limit < job.nature.size_bytes) {
            let size = job.nature.size_bytes;
            return Some(Refusal::message(format!(
                "the message has {size} octets, and the server takes {limit}"
            )));
        }
        if job.needs_smtputf8() && !features.smtputf8 {
            return Some(Refusal::message("the message needs SMTPUTF8, which the server does not offer"));
        }
        if job.mime.is_8bit && !features.eight_bit {
            return Some(Refusal::message("the message needs 8BITMIME, which the server does not offer"));
        }
        None
    }

    /// RSET where needed, MAIL, RCPT and DATA; `Ok` when 354 was read and nothing stands behind it.
    ///
    /// With PIPELINING all of them go in one write (RFC 2920, section 3.1: DATA last); the answers
    /// are the same and so is what they mean.
    async fn envelope(
        &mut self,
        job: &Job<'_>,
        commit: &dyn Commit,
        was_used: bool,
    ) -> Result<(), Delivered> {
        let commands = self.commands(job);
        let limit = job.config.timeouts.command;
        let is_pipelined = self.features.pipelining;
        if is_pipelined {
            let group: String = commands.iter().map(|(_, command)| command.as_str()).collect();
            self.say(&group, Phase::Mail, limit, was_used).await?;
        }
        self.answers(job, commit, was_used, &commands, is_pipelined).await
    }

    /// The answers to the envelope's commands, of which each is said first unless all of them were.
    async fn answers(
        &mut self,
        job: &Job<'_>,
        commit: &dyn Commit,
        was_used: bool,
        commands: &[(Step, String)],
        is_pipelined: bool,
    ) -> Result<(), Delivered> {
        let limit = job.config.timeouts.command;
        let mut refused: Option<Classified> = None;
        for (index, (step, command)) in commands.iter().enumerate() {
            let phase = step.phase();
            let may_be_stale = was_used && index == 0;
            if !is_pipelined {
                if refused.is_some() {
                    break;
                }
                self.say(command, phase, limit, may_be_stale).await?;
            }
            let reply = match self.line.reply(limit).await {
                Ok(reply) => reply,
                Err(fault) if may_be_stale && fault.is_lost() => return Err(ended(End::Stale)),
                Err(fault) => return Err(broken_off(refused, Failure::Line { phase, fault })),
            };
            commit.heard();
            match weigh(*step, &reply) {
                _ if reply.code() == 421 && may_be_stale && is_farewell(&reply) => {
                    return Err(ended(End::Stale));
                }
                _ if reply.code() == 421 => return Err(broken_off(refused, Failure::reply(phase, reply))),
                Weight::Fault => return Err(broken_off(refused, Failure::OutOfPlace { phase, reply })),
                Weight::No => {
                    // The transaction stands open from the first MAIL that was taken.
                    self.needs_reset |= phase != Phase::Mail;
                    refused.get_or_insert_with(|| classify(phase, &reply));
                }
                // RFC 2920, section 3.1: RCPT was refused and DATA is answered 354 all the same. The
                // outcome is the refusal; closing is the way out that cannot send anything.
                Weight::Yes if *step == Step::Data && refused.is_some() => {
                    return Err(broken_off(refused, Failure::OutOfPlace { phase, reply }));
                }
                Weight::Yes if *step == Step::Reset => self.needs_reset = false,
                Weight::Yes => {}
            }
            if !is_pipelined {
                self.line
                    .nothing_buffered()
                    .map_err(|fault| broken_off(refused.take(), Failure::Line { phase, fault }))?;
            }
        }
        let is_quiet = self.line.nothing_buffered();
        match (refused, is_quiet) {
            (Some(refused), is_quiet) => Err(Delivered { end: End::No(refused), keeps: is_quiet.is_ok() }),
            (None, Err(fault)) => Err(broken_off(None, Failure::Line { phase: Phase::Data, fault })),
            (None, Ok(())) => Ok(()),
        }
    }

    /// What goes out behind the terminator: the next message's envelope, where there is a next one that this
    /// connection may carry. Never behind the last message of a connection: a server that closes with
    /// commands unread may reset the line, and its last answer may be lost with it.
    fn ahead(&self, job: &Job<'_>, next: NextOf<'_>) -> Option<Ahead> {
        let has_room = job.config.per_connection.is_none_or(|most| self.begun < most);
        if !self.features.pipelining || !job.config.pipeline_next || !has_room {
            return None;
        }
        let prepared = next()?;
        let of_next = prepared.job(job.config);
        if self.cannot_take(&of_next).is_some() {
            return None;
        }
        let commands = self.commands(&of_next);
        Some(Ahead { prepared, commands })
    }

    /// The body, then the terminator in a write of its own (with the next message's envelope behind it),
    /// then the answer.
    async fn content(&mut self, job: &Job<'_>, commit: &dyn Commit, next: NextOf<'_>) -> Delivered {
        let ahead = self.ahead(job, next);
        if let Err(fault) = self.body(job).await {
            return ended(End::No(Failure::Line { phase: Phase::Body, fault }.classified()));
        }
        // From the next line on the message may be complete at the server: no failure proves
        // anything any more, only an explicit answer does.
        let limit = job.config.timeouts.data_end;
        let mut last = TERMINATOR.to_vec();
        for (_, command) in ahead.iter().flat_map(|ahead| &ahead.commands) {
            last.extend_from_slice(command.as_bytes());
        }
        let answer = match self.line.write(&last, limit).await {
            Ok(()) => self.line.reply(limit).await,
            Err(fault) => Err(fault),
        };
        let reply = match answer {
            Ok(reply) => reply,
            Err(fault) => return ended(End::Outcome(Outcome::Unknown(doubt(&fault)))),
        };
        commit.heard();
        // Behind this answer come those to the next envelope, and else nothing.
        let is_in_turn = ahead.is_some() || self.line.nothing_buffered().is_ok();
        if let Some(ahead) = ahead {
            self.begun += 1;
            self.ahead = Some(ahead);
        }
        if reply.is_yes() {
            let receipt = Receipt::new(queue_id(&reply.text()), reply.to_string());
            return Delivered { end: End::Outcome(Outcome::Accepted(receipt)), keeps: is_in_turn };
        }
        if reply.is_no() {
            let keeps = is_in_turn && reply.code() != 421;
            return Delivered { end: End::No(classify(Phase::Dot, &reply)), keeps };
        }
        // 221 and 3yz say neither yes nor no.
        let doubt = Doubt::new(DoubtCause::Unclear, reply.to_string());
        ended(End::Outcome(Outcome::Unknown(doubt)))
    }

    /// Everything before the terminator, flushed. Whatever the server says meanwhile nobody asked
    /// for: it must not be taken for the answer to the message.
    async fn body(&mut self, job: &Job<'_>) -> Result<(), LineFault> {
        let mut stuffed = Stuffed::new(job.mime, &job.nature);
        while let Some(piece) = stuffed.next_piece() {
            self.line.quiet().await?;
            self.line.write(piece, job.config.timeouts.data_block).await?;
        }
        self.line.quiet().await
    }

    async fn say(
        &mut self,
        command: &str,
        phase: Phase,
        limit: Duration,
        may_be_stale: bool,
    ) -> Result<(), Delivered> {
        match self.line.write(command.as_bytes(), limit).await {
            Ok(()) => Ok(()),
            Err(fault) if may_be_stale && fault.is_lost() => Err(ended(End::Stale)),
            // A server that has closed may have said why: `421` before it went.
            Err(fault) => match self.line.reply(LAST_WORDS).await {
                Ok(reply) if reply.is_no() => Err(broken_off(None, Failure::Said { phase, reply })),
                _ => Err(broken_off(None, Failure::Line { phase, fault })),
            },
        }
    }

    fn commands(&self, job: &Job<'_>) -> Vec<(Step, String)> {
        let mut commands = Vec::with_capacity(4);
        if self.needs_reset {
            commands.push((Step::Reset, Rset.to_string()));
        }
        let mail = Mail::new(Some(address(job.envelope_from)), self.mail_parameters(job));
        let rcpt = Rcpt::new(address(&job.message.to.address), self.rcpt_parameters(job));
        commands.push((Step::Mail, mail.to_string()));
        commands.push((Step::Rcpt, rcpt.to_string()));
        commands.push((Step::Data, Data.to_string()));
        commands
    }

    fn mail_parameters(&self, job: &Job<'_>) -> Vec<MailParameter> {
        let mut parameters = Vec::new();
        if self.features.size.is_some() {
            parameters
                .push(MailParameter::Size(usize::try_from(job.nature.size_bytes).unwrap_or(usize::MAX)));
        }
        if job.mime.is_8bit {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if job.needs_smtputf8() {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if self.asks_for_dsn(job) {
            // RFC 3461, sections 4.3 and 4.4: headers are enough, and the notice names the attempt.
            parameters.push(other_mail("RET", "HDRS"));
            parameters.push(other_mail("ENVID", &job.attempt.to_string()));
        }
        parameters
    }

    fn rcpt_parameters(&self, job: &Job<'_>) -> Vec<RcptParameter> {
        if !self.asks_for_dsn(job) {
            return Vec::new();
        }
        let mut parameters = vec![other_rcpt("NOTIFY", "FAILURE,DELAY")];
        let to = &job.message.to.address;
        // RFC 6533 has a form of its own for addresses that are not ASCII; they go without.
        if !to.needs_smtputf8() {
            parameters.push(other_rcpt("ORCPT", &format!("rfc822;{to}")));
        }
        parameters
    }

    fn asks_for_dsn(&self, job: &Job<'_>) -> bool {
        job.config.dsn && self.features.dsn
    }
}

impl Job<'_> {
    fn needs_smtputf8(&self) -> bool {
        self.nature.has_8bit_header
            || self.message.to.address.needs_smtputf8()
            || self.envelope_from.needs_smtputf8()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Reset,
    Mail,
    Rcpt,
    Data,
}

impl Step {
    fn phase(self) -> Phase {
        match self {
            Self::Reset | Self::Mail => Phase::Mail,
            Self::Rcpt => Phase::Rcpt,
            Self::Data => Phase::Data,
        }
    }
}

enum Weight {
    Yes,
    No,
    Fault,
}

/// DATA has one yes, 354, and 250 to it is a protocol fault; the others have any 2yz but 221.
/// RSET may not be refused (RFC 5321, section 4.1.1.5).
fn weigh(step: Step, reply: &Reply) -> Weight {
    let is_yes = if step == Step::Data { reply.code() == 354 } else { reply.is_yes() };
    match (is_yes, reply.is_no() && step != Step::Reset) {
        (true, _) => Weight::Yes,
        (false, true) => Weight::No,
        (false, false) => Weight::Fault,
    }
}

/// Whether a 421 on a kept connection only says that it was kept too long. A 421 about us (too
/// many, too fast) is an answer, and to come straight back would be rude.
fn is_farewell(reply: &Reply) -> bool {
    let text = reply.text().to_lowercase();
    let is_about_us = ["too many", "rate", "limit", "block", "refus"].iter().any(|word| text.contains(word));
    !is_about_us && reply.enhanced().is_none_or(|enhanced| matches!(enhanced.subject, 3 | 4))
}

/// A refusal that was heard earlier stands, whatever broke afterwards.
fn broken_off(refused: Option<Classified>, failure: Failure) -> Delivered {
    ended(End::No(refused.unwrap_or_else(|| failure.classified())))
}

fn ended(end: End) -> Delivered {
    Delivered { end, keeps: false }
}

fn no(refusal: Refusal) -> End {
    End::No(Classified { refusal, blocks_source: None })
}

fn doubt(fault: &LineFault) -> Doubt {
    let cause = match fault {
        LineFault::Closed | LineFault::Broken(_) => DoubtCause::LineLost,
        LineFault::TimedOut(_) => DoubtCause::TimedOut,
        LineFault::Bad(_) | LineFault::OutOfTurn(_) => DoubtCause::Unclear,
    };
    Doubt::new(cause, format!("{}: {fault}", Phase::Dot.name()))
}

/// The server's own name of the message, where its yes tells it: `queued as 4Zk1…`, `id=1tFx…`.
fn queue_id(text: &str) -> Option<String> {
    let after = ["queued as ", "id="].iter().find_map(|marker| text.split_once(marker));
    let id = after?.1.split_whitespace().next()?.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (!id.is_empty() && id.len() <= 100).then(|| id.to_owned())
}

/// `EmailAddress` has checked it, by stricter rules than lettre's and wider ones (quoted local parts).
fn address(address: &EmailAddress) -> Address {
    Address::new_dangerous(address.local(), address.domain())
}

fn other_mail(keyword: &str, value: &str) -> MailParameter {
    MailParameter::Other { keyword: keyword.to_owned(), value: Some(value.to_owned()) }
}

fn other_rcpt(keyword: &str, value: &str) -> RcptParameter {
    RcptParameter::Other { keyword: keyword.to_owned(), value: Some(value.to_owned()) }
}

const LAST_WORDS: Duration = Duration::from_millis(200);

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
