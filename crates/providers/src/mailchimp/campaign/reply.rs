//! What Mailchimp Marketing's answers prove.
//!
//! Errors are `application/problem+json`: `{type, title, status, detail}` (PROVIDERS.md, section 2).
//! Before `actions/send` nothing is sent, so everything but the documented answer is a refusal. To
//! `actions/send` only 204 is a yes.

use depeche_core::outcome::{Persistence, Refusal, Trouble, Wish};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::classify::{Means, means, proved, stated_wait};
use crate::http::{Answer, Failure};

#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
}

/// Whom a 4xx with Mailchimp's own words blames, where its status alone does not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blames {
    /// What the campaign says.
    Message,
    /// The account, the audience, the sender.
    Account,
}

/// What came of `actions/send`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// 204.
    Yes,
    /// Proved not sent.
    No(Refusal),
    /// The status must be asked for.
    Unclear(String),
}

/// The answer to a call that sends nothing, as `T`.
///
/// # Errors
///
/// The refusal that it proves.
pub(super) fn read<T: DeserializeOwned>(
    answer: Result<Answer, Failure>,
    blames: Blames,
) -> Result<T, Refusal> {
    let answer = answer.map_err(|failure| failure.refusal())?;
    let document = || serde_json::from_value(answer.document()?).ok();
    match (answer.status, document()) {
        (200, Some(found)) => Ok(found),
        _ => Err(refusal(&answer, blames)),
    }
}

/// The answer to a call whose yes is 204.
///
/// # Errors
///
/// The refusal that it proves.
pub(super) fn done(answer: Result<Answer, Failure>, blames: Blames) -> Result<(), Refusal> {
    let answer = answer.map_err(|failure| failure.refusal())?;
    if answer.status == 204 { Ok(()) } else { Err(refusal(&answer, blames)) }
}

/// What an answer to `actions/send` proves.
pub(super) fn sent(answer: Result<Answer, Failure>) -> Sent {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure @ Failure::NotConnected { .. }) => return Sent::No(failure.refusal()),
        Err(failure) => return Sent::Unclear(failure.detail().to_owned()),
    };
    match means(answer.status) {
        Means::Yes if answer.status == 204 => Sent::Yes,
        Means::No(_) => Sent::No(refusal(&answer, Blames::Account)),
        Means::NoWithDocument if problem(&answer).is_some() => Sent::No(refusal(&answer, Blames::Account)),
        _ => Sent::Unclear(answer.line()),
    }
}

/// A member whom Mailchimp did not take: those who opted out there stay so. "Compliance" may be a bounce or a
/// review as well, and who must subscribe again may have been deleted by the account: no other provider is asked,
/// but only a plain opt-out is a wish that counts for every release.
pub(super) fn member_refused(said: &str) -> Refusal {
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let is_vague = says(&["compliance", "resubscribe", "re-subscribe"]);
    let opted_out = says(&["unsubscribe", "opted out"]);
    let refusal = || Refusal::recipient(Persistence::Permanent, false, said);
    match (is_vague, opted_out) {
        (true, _) => refusal(),
        (false, true) => refusal().with_wish(Wish::OptedOut),
        (false, false) => Refusal::message(said),
    }
}

/// A member in a status in which no campaign reaches it.
pub(super) fn not_subscribed(status: &str) -> Refusal {
    let said = format!("the address is `{status}` in the Mailchimp audience");
    match status {
        "unsubscribed" => Refusal::recipient(Persistence::Permanent, false, said).with_wish(Wish::OptedOut),
        // Cleaned, pending, archived: no wish of the recipient's; another provider may reach it.
        _ => Refusal::message(said),
    }
}

/// The words of a 4xx, when it is one of Mailchimp's own.
pub(super) fn problem_of(answer: &Answer) -> Option<String> {
    problem(answer).map(|problem| format!("{}: {}", problem.title, problem.detail))
}

/// What an answer that is no yes proves, before anything was sent.
pub(super) fn refusal(answer: &Answer, blames: Blames) -> Refusal {
    match (means(answer.status), problem(answer)) {
        (Means::No(trouble), _) => proved(trouble, answer),
        (Means::NoWithDocument, Some(problem)) if is_about_sender(&problem) => {
            Refusal::provider(Trouble::Sender, answer.line())
        }
        (Means::NoWithDocument, Some(_)) if blames == Blames::Message => Refusal::message(answer.line()),
        _ => Refusal::provider(Trouble::Fault, answer.line()).with_retry_after(stated_wait(answer)),
    }
}

fn is_about_sender(problem: &Problem) -> bool {
    let said = problem.detail.to_lowercase();
    ["from email", "from address", "reply_to", "verify", "authenticat"].iter().any(|word| said.contains(word))
}

fn problem(answer: &Answer) -> Option<Problem> {
    serde_json::from_value(answer.document()?).ok()
}

#[cfg(test)]
mod tests {
    use depeche_core::outcome::Blame;
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into(), cut: None }
    }

    const PROBLEM: &str = r#"{"type":"x","title":"Bad Request","status":400,"detail":"no"}"#;

    #[test]
    fn only_204_is_a_yes_to_the_send_and_only_mailchimps_own_words_are_a_no() {
        assert_eq!(sent(Ok(answer(204, ""))), Sent::Yes);
        for (status, body) in [(400, PROBLEM), (404, PROBLEM), (401, ""), (403, "<html>"), (429, "")] {
            assert!(matches!(sent(Ok(answer(status, body))), Sent::No(_)), "{status} {body}");
        }
        for (status, body) in
            [(200, "{}"), (202, ""), (302, ""), (400, "<html>"), (408, PROBLEM), (500, PROBLEM), (503, "")]
        {
            assert!(matches!(sent(Ok(answer(status, body))), Sent::Unclear(_)), "{status} {body}");
        }
    }

    #[test]
    fn before_the_send_everything_but_the_answer_is_a_refusal() {
        let blame = |status, body: &str, blames| refusal(&answer(status, body), blames).blames;

        assert_eq!(blame(400, PROBLEM, Blames::Message), Blame::Message);
        assert_eq!(blame(400, PROBLEM, Blames::Account), Blame::Provider);
        assert_eq!(blame(500, PROBLEM, Blames::Message), Blame::Provider);
        let sender = r#"{"title":"Bad Request","detail":"Your From Email Address is not verified"}"#;
        assert_eq!(refusal(&answer(400, sender), Blames::Message).trouble, Some(Trouble::Sender));
        assert_eq!(refusal(&answer(429, ""), Blames::Message).trouble, Some(Trouble::Throttled));
        assert_eq!(refusal(&answer(401, PROBLEM), Blames::Account).trouble, Some(Trouble::Credentials));
    }

    #[test]
    fn who_opted_out_stays_so_and_others_may_go_elsewhere() {
        let blames = |refusal: Refusal| (refusal.blames, refusal.bad_address, refusal.wish);
        let opted_out = (Blame::Recipient, false, Some(Wish::OptedOut));

        assert_eq!(blames(not_subscribed("unsubscribed")), opted_out);
        assert_eq!(blames(not_subscribed("cleaned")), (Blame::Message, false, None));
        let compliance =
            "ana@x.example is in a compliance state due to unsubscribe, bounce, or compliance review";
        assert_eq!(blames(member_refused(compliance)), (Blame::Recipient, false, None));
        // "Forgotten Email Not Subscribed", as Mailchimp words it.
        let deleted = "ana@x.example was permanently deleted and cannot be re-imported. The contact must re-subscribe \
                       to get back on the list.";
        assert_eq!(blames(member_refused(deleted)), (Blame::Recipient, false, None));
        assert_eq!(blames(member_refused("ana@x.example is unsubscribed")), opted_out);
        assert_eq!(blames(member_refused("looks fake or invalid")), (Blame::Message, false, None));
    }
}
