//! What a receiver's words, quoted by a provider or a bounce report, say of the address.
//!
//! Providers sum receivers' answers up as "hard bounce" and call full mailboxes and policy blocks so as
//! well. Only the answer itself tells whether there is no such address, and it is read by the same table
//! as an answer to our own dialogue ([`crate::smtp::classify`]; PROVIDERS.md, section 5).

use depeche_core::event::EventKind;
use depeche_core::outcome::Refusal;

use crate::smtp::{Phase, classify, parse_reply};

/// An answer longer than this says nothing more that counts.
const MOST_CHARS: usize = 1_500;

/// A hard bounce is a bad address when the receiver's own answer says so.
#[must_use]
pub fn judged(kind: EventKind, reason: Option<&str>) -> EventKind {
    match kind {
        EventKind::BouncedHard if reason.is_some_and(is_bad_address) => EventKind::InvalidAddress,
        kind => kind,
    }
}

/// Whether the answer says that there is no such address, as `550 5.1.1 User unknown` does.
#[must_use]
pub fn is_bad_address(reason: &str) -> bool {
    understood(reason).is_some_and(|refusal| refusal.bad_address)
}

/// What a quoted answer to RCPT or to the message means, by the same tables as an answer to us. Takes
/// what stands before the code in diagnostics (`smtp;`), and an enhanced code without its three digits.
/// `None` when there is no code of a refusal in front.
#[must_use]
pub fn understood(reason: &str) -> Option<Refusal> {
    let words = reason.trim_start();
    let answer = match words.split_once(';') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp") => rest.trim_start(),
        _ => words,
    };
    let answer: String = answer.chars().take(MOST_CHARS).collect();
    let bytes = answer.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let is_no = matches!(bytes.first(), Some(b'4' | b'5'));
    let line = if is_no && digits(0..3) && matches!(bytes.get(3), Some(b' ' | b'-')) {
        // One line of several, or all of them in one: what follows the code is all that counts.
        format!("{} {}\r\n", &answer[..3], &answer[4..])
    } else if is_no && bytes.get(1) == Some(&b'.') && digits(2..3) {
        format!("{}50 {answer}\r\n", &answer[..1])
    } else {
        return None;
    };
    parse_reply(&line).ok().map(|reply| classify(Phase::Rcpt, &reply).refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of PROVIDERS.md, section 5, of RFC 3463, and of the receivers' own pages.
    #[test]
    fn only_the_receivers_own_words_make_a_bad_address() {
        let table = [
            ("550 5.1.1 <zoe@exemple.fr>: Recipient address rejected: User unknown", true),
            ("550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 gsmtp", true),
            ("smtp; 550 5.1.1 [mx1] No such user", true),
            ("5.1.1 User unknown", true),
            ("552 5.2.2 mailbox full", false),
            ("550 5.7.1 blocked by policy", false),
            ("421 4.7.0 try again", false),
            ("550", false),
            ("550 ", false),
            ("bad_mailbox", false),
            ("", false),
            ("550 5.1.1 é\u{2028}é", true),
        ];
        for (reason, bad) in table {
            assert_eq!(is_bad_address(reason), bad, "{reason}");
        }
        assert_eq!(judged(EventKind::BouncedHard, Some("550 5.1.1 unknown")), EventKind::InvalidAddress);
        assert_eq!(judged(EventKind::BouncedSoft, Some("550 5.1.1 unknown")), EventKind::BouncedSoft);
        assert_eq!(judged(EventKind::BouncedHard, None), EventKind::BouncedHard);
    }

    proptest::proptest! {
        #[test]
        fn no_reason_makes_it_panic(reason in ".{0,80}", code in "5[0-9é.;-]{0,6}") {
            let _ = (is_bad_address(&reason), is_bad_address(&format!("{code}{reason}")));
        }
    }
}
