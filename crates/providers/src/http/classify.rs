//! What an HTTP answer proves, before a provider's own words are read.
//!
//! Exactly DELIVERY.md, "HTTP, proved not accepted … Unknown". A status alone proves little: 401, 402,
//! 403 and 429 are refusals whatever their body holds (often HTML of a front end); any other 4xx is one
//! only with the provider's own error document; a 5xx only when that document names a refusal. What is
//! left is unknown. A 2xx is a yes only with a parsable id, which the provider's `reply` reads.

use std::time::Duration;

use depeche_core::outcome::{Doubt, DoubtCause, Outcome, Refusal, Trouble};

use super::client::{Answer, Cut, Failure};

/// What the status of an answer allows it to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// 2xx: accepted, if the documented code and an id are there; unknown otherwise.
    Yes,
    /// 401, 402, 403, 429: proved not accepted, whatever the body.
    No(Trouble),
    /// Another 4xx: proved not accepted with the provider's own error document; unknown without.
    NoWithDocument,
    /// 5xx: proved not accepted when the provider's document names a refusal; unknown otherwise.
    NoWithNamedRefusal,
    /// 1xx, 3xx, 408, 425: unknown.
    Nothing,
}

/// What `status` allows an answer to mean.
#[must_use]
pub fn means(status: u16) -> Means {
    match status {
        200..=299 => Means::Yes,
        401 | 403 => Means::No(Trouble::Credentials),
        402 => Means::No(Trouble::Quota),
        429 => Means::No(Trouble::Throttled),
        408 | 425 => Means::Nothing,
        400..=499 => Means::NoWithDocument,
        500..=599 => Means::NoWithNamedRefusal,
        _ => Means::Nothing,
    }
}

/// The refusal that `trouble` makes of an answer whose status alone proves it.
///
/// A 401 or 403 without a JSON body is a front end that is overloaded or blocks us, not a key that was
/// refused: it counts for the breaker instead of opening it at once (PROVIDERS.md, section 0, rule 2).
#[must_use]
pub fn proved(trouble: Trouble, answer: &Answer) -> Refusal {
    let is_front_end = trouble == Trouble::Credentials && answer.document().is_none();
    let trouble = if is_front_end { Trouble::Fault } else { trouble };
    Refusal::provider(trouble, answer.line()).with_retry_after(stated_wait(answer))
}

/// An answer that is neither yes nor no.
#[must_use]
pub fn unclear(answer: &Answer) -> Outcome {
    let cause = match answer.cut {
        Some(Cut::TimedOut) => DoubtCause::TimedOut,
        Some(Cut::Lost) => DoubtCause::LineLost,
        Some(Cut::TooLong) | None => DoubtCause::Unclear,
    };
    Outcome::Unknown(Doubt::new(cause, answer.line()))
}

/// What a call without an answer is.
#[must_use]
pub fn failed(failure: &Failure) -> Outcome {
    match failure {
        Failure::NotConnected { trouble, detail } => Outcome::Refused(Refusal::provider(*trouble, detail)),
        Failure::Lost { cause, detail } => Outcome::Unknown(Doubt::new(*cause, detail)),
    }
}

/// The wait that the answer states: Brevo's `x-sib-ratelimit-reset` (seconds left, not an epoch), or
/// `Retry-After` in seconds (RFC 9110, section 10.2.3). At most a day: a wild number is not obeyed; and a
/// second at least: none left is rounded down from some.
#[must_use]
pub fn stated_wait(answer: &Answer) -> Option<Duration> {
    let seconds = answer.number("x-sib-ratelimit-reset").or_else(|| answer.number("retry-after"))?;
    Some(Duration::from_secs(seconds.clamp(1, 86_400)))
}

#[cfg(test)]
mod tests {
    use depeche_core::outcome::Persistence;
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into(), cut: None }
    }

    /// DELIVERY.md, "HTTP, proved not accepted … Unknown", line by line.
    #[test]
    fn a_status_means_what_delivery_md_says() {
        let table: [(&[u16], Means); 8] = [
            (&[200, 201, 202, 204], Means::Yes),
            (&[401, 403], Means::No(Trouble::Credentials)),
            (&[402], Means::No(Trouble::Quota)),
            (&[429], Means::No(Trouble::Throttled)),
            (&[400, 404, 405, 406, 409, 413, 422, 451], Means::NoWithDocument),
            (&[500, 502, 503, 504, 520, 599], Means::NoWithNamedRefusal),
            (&[408, 425], Means::Nothing),
            (&[100, 301, 302, 303, 307, 308, 600, 999], Means::Nothing),
        ];
        for (statuses, expected) in table {
            for status in statuses {
                assert_eq!(means(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn a_403_in_html_is_a_front_end_and_not_a_refused_key() {
        let html = proved(Trouble::Credentials, &answer(403, "<html>Request blocked</html>"));
        let json = proved(Trouble::Credentials, &answer(403, r#"{"code":"permission_denied"}"#));

        assert_eq!((html.trouble, html.persistence), (Some(Trouble::Fault), Persistence::Transient));
        assert_eq!(json.trouble, Some(Trouble::Credentials));
    }

    #[test]
    fn the_wait_that_is_stated_is_obeyed_up_to_a_day() {
        let stated = |name: &'static str, value: &str| {
            let mut answer = answer(429, "");
            answer.headers.insert(name, value.parse().unwrap());
            stated_wait(&answer)
        };

        assert_eq!(stated("x-sib-ratelimit-reset", "37"), Some(Duration::from_secs(37)));
        assert_eq!(stated("retry-after", "5"), Some(Duration::from_secs(5)));
        assert_eq!(stated("x-sib-ratelimit-reset", "1764000000"), Some(Duration::from_secs(86_400)));
        assert_eq!(stated("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
