//! What Mailchimp's answer to a call that sends proves.
//!
//! An error is `{status: "error", code, name, message}`, decided by its name and not by the HTTP
//! status: older servers answer 500 for everything (PROVIDERS.md, section 3). A 200 is a list with one
//! result per recipient, and may still be a refusal. Look at `reject_reason` only when it was rejected.

use depeche_core::address::EmailAddress;
use depeche_core::event::EventKind;
use depeche_core::outcome::{Blame, Outcome, Persistence, Receipt, Refusal, Trouble, Wish};
use serde::Deserialize;

use crate::http::Answer;
use crate::http::classify::{Means, means, proved, stated_wait, unclear};

#[derive(Deserialize)]
struct Sent {
    email: String,
    status: String,
    #[serde(default)]
    reject_reason: Option<String>,
    #[serde(default)]
    queued_reason: Option<String>,
    #[serde(rename = "_id")]
    id: String,
}

#[derive(Deserialize)]
struct Problem {
    status: String,
    name: String,
    #[serde(default)]
    message: String,
}

/// The outcome of one call for one recipient.
pub(super) fn outcome(answer: &Answer, recipient: &EmailAddress) -> Outcome {
    let yes = || sent(answer, recipient).map(|sent| taken(&sent, answer));
    no(answer).or_else(yes).unwrap_or_else(|| unclear(answer))
}

/// What the answer says when it is an error; `None` when it is none.
pub(super) fn no(answer: &Answer) -> Option<Outcome> {
    let meaning = means(answer.status);
    match (meaning, problem(answer)) {
        (Means::No(Trouble::Throttled), _) => Some(Outcome::Refused(proved(Trouble::Throttled, answer))),
        // 408 and 425 stay unknown whatever their body says, and so does what no status explains.
        (Means::Nothing, _) => Some(unclear(answer)),
        (_, Some(problem)) => Some(named(&problem, meaning, answer)),
        (Means::No(trouble), None) => Some(Outcome::Refused(proved(trouble, answer))),
        _ => None,
    }
}

/// The one result, if it is one and about our recipient.
fn sent(answer: &Answer, recipient: &EmailAddress) -> Option<Sent> {
    if answer.status != 200 {
        return None;
    }
    let mut list: Vec<Sent> = serde_json::from_value(answer.document()?).ok()?;
    let sent = list.pop()?;
    let same = EmailAddress::parse(&sent.email).is_ok_and(|email| email.key() == recipient.key());
    let is_id = !sent.id.is_empty() && sent.id.len() <= 500 && sent.id.bytes().all(|b| b.is_ascii_graphic());
    (list.is_empty() && same && is_id).then_some(sent)
}

fn taken(sent: &Sent, answer: &Answer) -> Outcome {
    let receipt = || Receipt::new(Some(sent.id.clone()), answer.line());
    match sent.status.as_str() {
        "sent" => Outcome::Accepted(receipt()),
        "queued" if is_held(sent.queued_reason.as_deref()) => Outcome::Held(receipt()),
        "queued" => Outcome::Accepted(receipt()),
        // We never ask for a time: Mailchimp keeps it for reasons of its own.
        "scheduled" => Outcome::Held(receipt()),
        "invalid" => Outcome::Refused(Refusal::recipient(Persistence::Permanent, true, answer.line())),
        "rejected" => Outcome::Refused(rejected(sent.reject_reason.as_deref(), &answer.line())),
        _ => unclear(answer),
    }
}

/// Reasons of the account, which only a person at Mailchimp's door changes; the other reasons
/// (`attachments`, `multiple-recipients`, `sending-backlogged`) pass by themselves.
fn is_held(queued_reason: Option<&str>) -> bool {
    matches!(
        queued_reason,
        Some(
            "free-trial-sends-exhausted"
                | "hourly-quota-exhausted"
                | "monthly-limit-reached"
                | "sending-paused"
                | "sending-suspended"
                | "account-suspended"
        )
    )
}

/// Whose fault a rejection is.
pub(super) fn rejected(reason: Option<&str>, line: &str) -> Refusal {
    let recipient = |bad_address| Refusal::recipient(Persistence::Permanent, bad_address, line);
    match reason {
        Some("invalid") => recipient(true),
        Some("unsub") => recipient(false).with_wish(Wish::OptedOut),
        Some("spam") => recipient(false).with_wish(Wish::Complained),
        // Of a hard bounce the receiver's own words are not told here, and its code may mislead (PROVIDERS.md,
        // section 5).
        Some("hard-bounce" | "soft-bounce" | "custom") => recipient(false),
        Some("invalid-sender" | "unsigned") => Refusal::provider(Trouble::Sender, line),
        Some("test-mode-limit" | "payment-required") => Refusal::provider(Trouble::Quota, line),
        // `rule`, and reasons yet unknown.
        _ => Refusal::message(line),
    }
}

/// What a list or a webhook tells of a message that was rejected: for its recipient's sake, or for a reason
/// of the sender, the account or the message. One without a reason (the webhook tells none, and the list may
/// leave it out) is taken for the recipient's: who opted out there is not to be mailed through another.
pub(crate) fn rejection(reason: Option<&str>) -> EventKind {
    match reason {
        Some(reason) if rejected(Some(reason), "").blames != Blame::Recipient => EventKind::Failed,
        _ => EventKind::Blocked,
    }
}

fn problem(answer: &Answer) -> Option<Problem> {
    let problem: Problem = serde_json::from_value(answer.document()?).ok()?;
    (problem.status == "error").then_some(problem)
}

fn named(problem: &Problem, meaning: Means, answer: &Answer) -> Outcome {
    let provider = |trouble| Refusal::provider(trouble, answer.line()).with_retry_after(stated_wait(answer));
    Outcome::Refused(match problem.name.as_str() {
        "Invalid_Key" | "Unknown_Subaccount" | "Unknown_Pool" => provider(Trouble::Credentials),
        "PaymentRequired" => provider(Trouble::Quota),
        "PoorReputation" | "NoSendingHistory" | "Unknown_Sender" => provider(Trouble::Sender),
        "ValidationError" if is_about_sender(&problem.message) => provider(Trouble::Sender),
        "ValidationError" => Refusal::message(answer.line()),
        "ServiceUnavailable" | "GeneralError" => return unclear(answer),
        // A name that nobody documented: a 4xx is a refusal, a 5xx may be anything.
        _ => match meaning {
            Means::No(trouble) => proved(trouble, answer),
            Means::NoWithDocument => Refusal::message(answer.line()),
            _ => return unclear(answer),
        },
    })
}

fn is_about_sender(message: &str) -> bool {
    message.contains("from_email") || message.contains("sender")
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into(), cut: None }
    }

    fn ana() -> EmailAddress {
        EmailAddress::parse("Ana@journal.example").unwrap()
    }

    fn result(status: &str, more: &str) -> Outcome {
        let body = format!(r#"[{{"email":"ana@journal.example","status":"{status}","_id":"abc123"{more}}}]"#);
        outcome(&answer(200, &body), &ana())
    }

    fn error(status: u16, name: &str) -> Outcome {
        outcome(
            &answer(status, &format!(r#"{{"status":"error","code":-1,"name":"{name}","message":"x"}}"#)),
            &ana(),
        )
    }

    #[test]
    fn sent_and_queued_are_a_yes_and_account_reasons_hold() {
        assert!(matches!(result("sent", ""), Outcome::Accepted(receipt)
            if receipt.provider_id.as_deref() == Some("abc123")));
        // The provider's own example says `sent` with a reason: only `rejected` has one.
        assert!(matches!(result("sent", r#","reject_reason":"hard-bounce""#), Outcome::Accepted(_)));
        for reason in ["null", r#""attachments""#, r#""multiple-recipients""#, r#""sending-backlogged""#] {
            let queued = result("queued", &format!(r#","queued_reason":{reason}"#));
            assert!(matches!(queued, Outcome::Accepted(_)), "{reason}: {queued:?}");
        }
        for reason in [
            "free-trial-sends-exhausted",
            "hourly-quota-exhausted",
            "monthly-limit-reached",
            "sending-paused",
            "sending-suspended",
            "account-suspended",
        ] {
            let queued = result("queued", &format!(r#","queued_reason":"{reason}""#));
            assert!(matches!(queued, Outcome::Held(_)), "{reason}: {queued:?}");
        }
    }

    /// The reasons of the provider's own description, each with whom it blames.
    #[test]
    fn a_rejection_blames_whom_its_reason_names() {
        use Blame::{Message, Provider, Recipient};
        let table = [
            ("hard-bounce", Recipient, false),
            ("invalid", Recipient, true),
            ("soft-bounce", Recipient, false),
            ("spam", Recipient, false),
            ("unsub", Recipient, false),
            ("custom", Recipient, false),
            ("invalid-sender", Provider, false),
            ("unsigned", Provider, false),
            ("test-mode-limit", Provider, false),
            ("rule", Message, false),
        ];
        for (reason, blames, bad_address) in table {
            match result("rejected", &format!(r#","reject_reason":"{reason}""#)) {
                Outcome::Refused(refusal) => {
                    assert_eq!((refusal.blames, refusal.bad_address), (blames, bad_address), "{reason}");
                    let wish = match reason {
                        "unsub" => Some(Wish::OptedOut),
                        "spam" => Some(Wish::Complained),
                        _ => None,
                    };
                    assert_eq!(refusal.wish, wish, "{reason}");
                }
                other => panic!("{reason}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_error_is_decided_by_its_name_and_not_by_its_status() {
        let table = [
            ("Invalid_Key", Some(Trouble::Credentials)),
            ("PaymentRequired", Some(Trouble::Quota)),
            ("PoorReputation", Some(Trouble::Sender)),
            ("Unknown_Pool", Some(Trouble::Credentials)),
            ("ValidationError", None),
        ];
        for (name, trouble) in table {
            for status in [401, 402, 404, 422, 500] {
                match error(status, name) {
                    Outcome::Refused(refusal) => assert_eq!(refusal.trouble, trouble, "{status} {name}"),
                    other => panic!("{status} {name}: {other:?}"),
                }
            }
        }
        for (status, name) in [
            (500, "ServiceUnavailable"),
            (503, "ServiceUnavailable"),
            (500, "GeneralError"),
            (500, "Nobody_Knows"),
            (408, "ValidationError"),
            (425, "Invalid_Key"),
        ] {
            assert!(matches!(error(status, name), Outcome::Unknown(_)), "{status} {name}");
        }
        assert!(matches!(error(429, "Too_Many"), Outcome::Refused(refusal)
            if refusal.trouble == Some(Trouble::Throttled)));
    }

    #[test]
    fn a_200_that_is_not_about_our_recipient_proves_nothing() {
        let table = [
            "",
            "[]",
            "{}",
            "<html>",
            r#"[{"email":"bob@journal.example","status":"sent","_id":"a"}]"#,
            r#"[{"email":"ana@journal.example","status":"sent","_id":""}]"#,
            r#"[{"email":"ana@journal.example","status":"sent"}]"#,
            r#"[{"email":"ana@journal.example","status":"new word","_id":"a"}]"#,
            r#"[{"email":"ana@journal.example","status":"sent","_id":"a"},{"email":"bob@journal.example","status":"sent","_id":"b"}]"#,
            r#"[{"email":"ana@journal.example","status":"sent","_id":"a"}"#,
        ];
        for body in table {
            assert!(matches!(outcome(&answer(200, body), &ana()), Outcome::Unknown(_)), "{body}");
        }
    }
}
