//! Answers: whether a person or a machine wrote, and what for.
//!
//! In this order, because the first is certain: a header that says "automatic" ([`robot`]) makes it a
//! machine's, and only then the words decide what the machine says ([`words`]). Everything else is a
//! person's. A person's answer is an opt-out only when it says nothing else ([`opt_out`]).

mod opt_out;
mod own_text;
mod robot;
mod words;

use depeche_core::address::EmailAddress;
use mail_parser::{HeaderValue, Message};

use crate::letter::{Answer, AnswerKind, Letter};
use crate::read::{Ours, date, subject};
use crate::report::is_id;

/// So many Message-IDs of an answer count.
const MOST_IDS: usize = 50;

/// Reads an answer; one without a writer's address is unclear.
pub(crate) fn read(message: &Message<'_>, ours: &Ours) -> Letter {
    let Some(from) = writer(message) else { return Letter::Unclear { subject: subject(message) } };
    let text = message.body_text(0).unwrap_or_default();
    let own = own_text::of(&text);
    let subject = subject(message);
    let is_to_opt_out = ours.opt_out.as_ref().is_some_and(|address| is_sent_to(message, address));
    let (wish, opts_out_of) = if is_to_opt_out { without_id(&subject) } else { (subject.clone(), None) };
    // Our own subject says it, whatever a mail program puts below.
    let is_ours = opts_out_of.is_some() && opt_out::is_one(&wish, "", true);
    let kind = if is_ours {
        AnswerKind::OptOut
    } else if robot::says_so(message) {
        // Mail programs that follow an opt-out link may call what they send automatic.
        if is_to_opt_out && opt_out::is_one(&wish, own, true) {
            AnswerKind::OptOut
        } else {
            words::what_it_says(&subject, own, &except(&from, ours))
        }
    } else if opt_out::is_one(&wish, own, is_to_opt_out) {
        AnswerKind::OptOut
    } else {
        AnswerKind::Human
    };
    let refers_to = references(message);
    Letter::Answer(Answer { from, subject, at: date(message), refers_to, opts_out_of, kind })
}

/// An answer that is a machine's by its content type.
pub(crate) fn automatic(message: &Message<'_>) -> Letter {
    let subject = subject(message);
    let Some(from) = writer(message) else { return Letter::Unclear { subject } };
    let refers_to = references(message);
    let kind = AnswerKind::Automatic;
    Letter::Answer(Answer { from, subject, at: date(message), refers_to, opts_out_of: None, kind })
}

/// The subject without the Message-ID that List-Unsubscribe put there, and that id.
fn without_id(subject: &str) -> (String, Option<String>) {
    let (mut words, mut id) = (Vec::new(), None);
    for word in subject.split_whitespace() {
        let bare = word.trim_matches(['<', '>']);
        if id.is_none() && bare.contains('@') && is_id(bare) {
            id = Some(format!("<{bare}>"));
        } else {
            words.push(word);
        }
    }
    (words.join(" "), id)
}

fn writer(message: &Message<'_>) -> Option<EmailAddress> {
    EmailAddress::parse(message.from()?.first()?.address()?).ok()
}

fn is_sent_to(message: &Message<'_>, address: &EmailAddress) -> bool {
    let mut all = message.all_to().chain(message.all_cc()).flat_map(|list| list.iter()).take(100);
    all.any(|one| {
        one.address()
            .and_then(|text| EmailAddress::parse(text).ok())
            .is_some_and(|one| one.key() == address.key())
    })
}

/// Addresses that are nobody's new one.
fn except(from: &EmailAddress, ours: &Ours) -> Vec<EmailAddress> {
    ours.addresses.iter().chain(&ours.opt_out).cloned().chain([from.clone()]).collect()
}

/// In-Reply-To, then References from the last on (RFC 5322, section 3.6.4).
fn references(message: &Message<'_>) -> Vec<String> {
    let ids = |value: &HeaderValue<'_>| -> Vec<String> {
        let texts: Vec<&str> = match value {
            HeaderValue::Text(text) => vec![text.as_ref()],
            HeaderValue::TextList(texts) => texts.iter().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        };
        texts.into_iter().filter(|id| is_id(id)).map(|id| format!("<{id}>")).collect()
    };
    let mut all = ids(message.in_reply_to());
    all.extend(ids(message.references()).into_iter().rev());
    all.truncate(MOST_IDS);
    all
}
