//! What Brevo's answer to `POST /smtp/email` proves.
//!
//! Accepted: 201 (202 for a scheduled one) with as many ids as messages. An error is `{code, message}`;
//! its codes are Brevo's own (PROVIDERS.md, section 1.2). No 5xx of Brevo is documented to be a refusal,
//! so every 5xx is unknown.

use depeche_core::outcome::{Outcome, Persistence, Receipt, Refusal, Trouble};
use depeche_core::provider::Parcel;
use serde::Deserialize;

use crate::http::Answer;
use crate::http::classify::{Means, means, proved, stated_wait, unclear};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    message_id: Option<String>,
    message_ids: Option<Vec<String>>,
}

/// Brevo's error document. `code` is optional in its description, but an error without one is not
/// documented: it proves nothing.
#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    message: String,
}

/// One outcome per parcel, in order.
pub(super) fn outcomes(answer: &Answer, parcels: &[Parcel]) -> Vec<Outcome> {
    if let Some(ids) = ids(answer, parcels.len()) {
        let receipt = |id: String| Outcome::Accepted(Receipt::new(Some(id), answer.line()));
        return ids.into_iter().map(receipt).collect();
    }
    let same = |outcome: Outcome| vec![outcome; parcels.len()];
    match (means(answer.status), problem(answer)) {
        (Means::No(Trouble::Credentials), Some(problem)) => {
            same(Outcome::Refused(unusable(&problem, answer)))
        }
        (Means::No(trouble), _) => same(Outcome::Refused(proved(trouble, answer))),
        (Means::NoWithDocument, Some(problem)) => {
            parcels.iter().map(|parcel| refused(&problem, answer, parcel, parcels)).collect()
        }
        _ => same(unclear(answer)),
    }
}

/// Whether the answer says that a request with this key was taken before.
pub(super) fn is_duplicate(answer: &Answer) -> bool {
    means(answer.status) == Means::NoWithDocument
        && problem(answer).is_some_and(|problem| problem.is_repeat())
}

fn ids(answer: &Answer, count: usize) -> Option<Vec<String>> {
    if !matches!(answer.status, 201 | 202) {
        return None;
    }
    let taken: Taken = serde_json::from_value(answer.document()?).ok()?;
    let ids = match (taken.message_id, taken.message_ids) {
        (Some(id), None) => vec![id],
        (None, Some(ids)) => ids,
        _ => return None,
    };
    (ids.len() == count && ids.iter().all(|id| is_id(id))).then_some(ids)
}

/// An id is some text without blanks or control characters; nothing more is documented.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 500 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn problem(answer: &Answer) -> Option<Problem> {
    serde_json::from_value(answer.document()?).ok()
}

/// 401 and 403 with a document: the key, the account, or its credit.
fn unusable(problem: &Problem, answer: &Answer) -> Refusal {
    let trouble = match problem.code.as_str() {
        "not_enough_credits" => Trouble::Quota,
        _ => Trouble::Credentials,
    };
    Refusal::provider(trouble, answer.line()).with_retry_after(stated_wait(answer))
}

fn refused(problem: &Problem, answer: &Answer, parcel: &Parcel, all: &[Parcel]) -> Outcome {
    let line = answer.line();
    let said = problem.message.to_lowercase();
    let refusal = match problem.code.as_str() {
        _ if problem.is_repeat() => return Outcome::Accepted(Receipt::new(None, line)),
        "not_enough_credits" => Refusal::provider(Trouble::Quota, line),
        "unauthorized" | "permission_denied" | "account_under_validation" => {
            Refusal::provider(Trouble::Credentials, line)
        }
        "invalid_parameter" | "missing_parameter" | "bad_request" if said.contains("sender") => {
            Refusal::provider(Trouble::Sender, line)
        }
        "invalid_parameter" if names(&said, parcel) || (all.len() == 1 && is_about_to(&said)) => {
            Refusal::recipient(Persistence::Permanent, true, line)
        }
        // One bad address refuses the whole batch: the others were not taken, and nothing is wrong
        // with them nor with Brevo. A rest of no length lets them go again at once.
        "invalid_parameter" if all.iter().any(|other| names(&said, other)) || hides(problem, all) => {
            Refusal::provider(Trouble::Throttled, line).with_retry_after(Some(std::time::Duration::ZERO))
        }
        _ => Refusal::message(line),
    };
    Outcome::Refused(refusal)
}

/// Whether the answer refuses a batch for the sake of somebody whom it does not name: a smaller one tells who.
pub(super) fn hides_somebody(answer: &Answer, parcels: &[Parcel]) -> bool {
    means(answer.status) == Means::NoWithDocument
        && problem(answer).is_some_and(|problem| {
            let said = problem.message.to_lowercase();
            !parcels.iter().any(|parcel| names(&said, parcel)) && hides(&problem, parcels)
        })
}

fn hides(problem: &Problem, all: &[Parcel]) -> bool {
    let said = problem.message.to_lowercase();
    all.len() > 1
        && problem.code == "invalid_parameter"
        && !problem.is_repeat()
        && !said.contains("sender")
        && is_about_somebody(&said)
}

/// Whether it may be about a recipient: `to`, an address, one of the versions. What is about `replyTo` or an
/// attachment is everybody's.
fn is_about_somebody(said: &str) -> bool {
    let mut words = said.split(|c: char| !c.is_alphanumeric());
    is_about_to(said)
        || (!["replyto", "reply to", "attachment"].iter().any(|other| said.contains(other))
            && words.any(|word| {
                ["email", "emails", "recipient", "recipients", "address", "messageversions"].contains(&word)
            }))
}

/// Whether what Brevo said names the address of `parcel`, as a word of its own.
fn names(said: &str, parcel: &Parcel) -> bool {
    let address = parcel.message.to.address.to_string().to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    said.match_indices(&address).any(|(at, _)| {
        let before = said[..at].chars().next_back();
        let mut rest = said[at + address.len()..].chars();
        // A full stop may end the sentence.
        let after = rest.next().filter(|c| *c != '.' || rest.next().is_some_and(char::is_alphanumeric));
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// "email is not valid in to", "to is not valid" …
fn is_about_to(said: &str) -> bool {
    let words: Vec<&str> =
        said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.contains(&"valid") && (words.ends_with(&["in", "to"]) || words.starts_with(&["to", "is"]))
}

impl Problem {
    fn is_repeat(&self) -> bool {
        self.code == "duplicate_request" || self.message.eq_ignore_ascii_case("Request already processed")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use depeche_core::outcome::{Blame, DoubtCause};
    use depeche_testkit::conformance::{parcel_to, parcels_to};
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::http::client::Cut;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into(), cut: None }
    }

    fn one(status: u16, body: &str) -> Outcome {
        outcomes(&answer(status, body), &[parcel_to("ana@journal.example")]).remove(0)
    }

    fn refusal(status: u16, body: &str) -> Refusal {
        match one(status, body) {
            Outcome::Refused(refusal) => refusal,
            other => panic!("{status} {body}: {other:?}"),
        }
    }

    #[test]
    fn only_the_documented_code_with_an_id_is_a_yes() {
        let id = "<201798300811.5787683@relay.domain.com>";
        let yes = one(201, &format!(r#"{{"messageId":"{id}"}}"#));
        assert!(matches!(&yes, Outcome::Accepted(receipt) if receipt.provider_id.as_deref() == Some(id)));
        let table = [
            (200, r#"{"messageId":"<a@b>"}"#),
            (204, ""),
            (201, ""),
            (201, "{}"),
            (201, r#"{"messageId":""}"#),
            (201, r#"{"messageId":null}"#),
            (201, r#"{"messageId":7}"#),
            (201, r#"{"messageId":"<a b>"}"#),
            (201, r#"{"messageIds":["<a@b>","<c@d>"]}"#),
            (201, r#"{"messageId":"<a@b>","#),
            (201, "<html>OK</html>"),
            (302, r#"{"messageId":"<a@b>"}"#),
            (500, r#"{"code":"unauthorized","message":"Key not found"}"#),
            (502, "<html>"),
            (408, r#"{"code":"bad_request","message":"x"}"#),
            (425, r#"{"code":"bad_request","message":"x"}"#),
            (400, "<html>Bad request</html>"),
            (400, r#"{"message":"no code"}"#),
        ];
        for (status, body) in table {
            assert!(matches!(one(status, body), Outcome::Unknown(_)), "{status} {body}");
        }
    }

    #[test]
    fn fewer_ids_than_messages_leave_all_of_them_unknown() {
        let parcels = parcels_to(3);
        let two = outcomes(&answer(201, r#"{"messageIds":["<a@b>","<c@d>"]}"#), &parcels);
        let three = outcomes(&answer(201, r#"{"messageIds":["<a@b>","<c@d>","<e@f>"]}"#), &parcels);

        assert!(two.len() == 3 && two.iter().all(|outcome| matches!(outcome, Outcome::Unknown(_))));
        let ids: Vec<_> = three
            .iter()
            .map(|outcome| match outcome {
                Outcome::Accepted(receipt) => receipt.provider_id.clone().unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, ["<a@b>", "<c@d>", "<e@f>"]);
    }

    /// PROVIDERS.md, section 1.2.
    #[test]
    fn an_error_code_blames_whom_it_names() {
        use Trouble as T;
        let provider: [(u16, &str, T); 8] = [
            (401, r#"{"code":"unauthorized","message":"Key not found"}"#, T::Credentials),
            (403, r#"{"code":"permission_denied","message":"no"}"#, T::Credentials),
            (400, r#"{"code":"account_under_validation","message":"wait"}"#, T::Credentials),
            (402, r#"{"code":"not_enough_credits","message":"no"}"#, T::Quota),
            (400, r#"{"code":"not_enough_credits","message":"no"}"#, T::Quota),
            (429, "", T::Throttled),
            (403, "<html>blocked</html>", T::Fault),
            (400, r#"{"code":"invalid_parameter","message":"Sender is not valid"}"#, T::Sender),
        ];
        for (status, body, trouble) in provider {
            let refusal = refusal(status, body);
            assert_eq!((refusal.blames, refusal.trouble), (Blame::Provider, Some(trouble)), "{body}");
        }
        let message = [
            r#"{"code":"invalid_parameter","message":"attachment extension is not allowed"}"#,
            r#"{"code":"invalid_parameter","message":"email is not valid in replyTo"}"#,
            r#"{"code":"out_of_range","message":"too large"}"#,
        ];
        for body in message {
            assert_eq!(refusal(400, body).blames, Blame::Message, "{body}");
        }
        for body in [
            r#"{"code":"invalid_parameter","message":"email is not valid in to"}"#,
            r#"{"code":"invalid_parameter","message":"ana@journal.example is not a valid address."}"#,
        ] {
            let refusal = refusal(400, body);
            assert_eq!((refusal.blames, refusal.bad_address), (Blame::Recipient, true), "{body}");
        }
    }

    #[test]
    fn one_bad_address_in_a_batch_is_not_the_fault_of_the_others() {
        let parcels = parcels_to(12);
        let said = r#"{"code":"invalid_parameter","message":"journaliste1@journal.example is not valid"}"#;

        let outcomes = outcomes(&answer(400, said), &parcels);

        let blamed: Vec<bool> = outcomes
            .iter()
            .map(|outcome| matches!(outcome, Outcome::Refused(refusal) if refusal.bad_address))
            .collect();
        assert!(blamed[0] && blamed[1..].iter().all(|bad| !bad), "{outcomes:?}");
        assert!(matches!(&outcomes[1], Outcome::Refused(refusal)
            if refusal.trouble == Some(Trouble::Throttled) && refusal.retry_after == Some(Duration::ZERO)));
    }

    /// Brevo's own wording names nobody: nobody is refused for it, and a smaller batch tells who it is.
    #[test]
    fn a_batch_that_is_refused_for_somebody_unnamed_refuses_nobody() {
        let parcels = parcels_to(8);
        for message in
            ["email is not valid in to", "to is not valid", "valid email is required in messageVersions"]
        {
            let answer = answer(400, &format!(r#"{{"code":"invalid_parameter","message":"{message}"}}"#));
            assert!(hides_somebody(&answer, &parcels), "{message}");
            for outcome in outcomes(&answer, &parcels) {
                assert!(
                    matches!(&outcome, Outcome::Refused(refusal) if refusal.blames == Blame::Provider
                    && refusal.trouble == Some(Trouble::Throttled)
                    && refusal.retry_after == Some(Duration::ZERO)),
                    "{message}: {outcome:?}"
                );
            }
            assert!(!hides_somebody(&answer, &parcels[..1]), "{message}");
        }
        for message in
            ["email is not valid in replyTo", "attachment extension is not allowed", "subject is too long"]
        {
            let answer = answer(400, &format!(r#"{{"code":"invalid_parameter","message":"{message}"}}"#));
            assert!(!hides_somebody(&answer, &parcels), "{message}");
            assert!(
                outcomes(&answer, &parcels).iter().all(
                    |outcome| matches!(outcome, Outcome::Refused(refusal) if refusal.blames == Blame::Message)
                ),
                "{message}"
            );
        }
    }

    #[test]
    fn a_repeated_request_was_taken_the_first_time() {
        for (status, body) in [
            (400, r#"{"code":"duplicate_request","message":"Request already processed"}"#),
            (409, r#"{"code":"bad_request","message":"Request already processed"}"#),
        ] {
            assert!(matches!(one(status, body), Outcome::Accepted(_)), "{body}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_is_no_yes_but_429_stays_a_refusal() {
        let mut cut = answer(201, r#"{"messageId":"<a@b>"}"#);
        cut.cut = Some(Cut::TimedOut);
        let parcels = [parcel_to("ana@journal.example")];
        let outcome = outcomes(&cut, &parcels).remove(0);
        assert!(matches!(outcome, Outcome::Unknown(doubt) if doubt.cause == DoubtCause::TimedOut));

        cut.status = 429;
        cut.headers.insert("x-sib-ratelimit-reset", "12".parse().unwrap());
        assert!(matches!(outcomes(&cut, &parcels).remove(0), Outcome::Refused(refusal)
            if refusal.retry_after == Some(Duration::from_secs(12))));
    }
}
