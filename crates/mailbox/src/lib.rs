//! Reads the mailbox that bounces and answers come back to.
//!
//! [`read`] is pure: one message in, one [`Letter`] out. A letter is a report of what became of a message
//! (RFC 3464, and the older forms of Exim and qmail), a complaint (RFC 5965), or an answer, and of answers
//! it tells those of machines from those of people: a person's answer is never taken for a machine's, because
//! a machine is believed only by a header that says so (RFC 3834), never by its words.
//!
//! [`take_in()`] matches letters to what the journal knows. A report counts only with something that nobody
//! else could know: the attempt's UUID (RFC 3461 ENVID, or the envelope's sender) or our random Message-ID.
//! Whom it names as recipient decides nothing, so a forged report can harm nobody but its forger.
//!
//! Letters come from [`imap`] (read only) or from [`files`] (mbox, Maildir, a folder of messages). Every
//! message is cut at [`MESSAGE_CAP_BYTES`].
//!
//! # Not covered
//!
//! OAuth logins, STARTTLS, and reports in forms that name neither a code nor the message: those are counted
//! and left to a person.

mod answer;
pub mod files;
pub mod imap;
mod letter;
mod read;
mod report;
mod take_in;

pub use letter::{Answer, AnswerKind, Class, Clues, Letter, Notice, Report};
pub use read::{MESSAGE_CAP_BYTES, Ours, read};
pub use take_in::{Finding, Found, Roster, SOURCE, Tidings, take_in};
