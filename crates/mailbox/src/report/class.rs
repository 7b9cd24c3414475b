//! What a notice comes to: the receiver's own answer decides, then the status code of the report
//! (RFC 3463). A bad address is one only where the recipient that was refused is the one that we wrote to.

use depeche_core::address::EmailAddress;
use depeche_core::event::EventKind;
use depeche_core::outcome::{Blame, Persistence, Refusal};
use depeche_providers::reason::understood;

use super::fields::PerRecipient;
use super::reason;
use crate::letter::{Class, Notice};

/// Reads the fields about one recipient; `None` when there is no action that RFC 3464, section 2.3.3,
/// knows. `original` is whom the returned message was written to.
pub(super) fn notice(fields: &PerRecipient<'_>, original: Option<&EmailAddress>) -> Option<Notice> {
    let recipient = fields.last?;
    let done = |kind, class| Some(Notice { recipient: short(recipient), kind, class, reason: said(fields) });
    match fields.action?.to_ascii_lowercase().split([' ', '(']).next()? {
        "delivered" => done(EventKind::Delivered, Class::Delivered),
        // It left for where no reports come from, or was spread over a list: taken, and no more is known.
        "relayed" | "expanded" => done(EventKind::Accepted, Class::Delivered),
        "delayed" => done(EventKind::Deferred, Class::Delayed),
        "failed" => {
            let is_forwarded = is_another(recipient, fields.original, original);
            let (kind, class) = judge(fields.diagnostic, fields.status, is_forwarded);
            done(kind, class)
        }
        _ => None,
    }
}

/// What a refusal for good comes to, by the receiver's answer (with its code in front) and the status.
pub(super) fn judge(answer: Option<&str>, status: Option<&str>, is_forwarded: bool) -> (EventKind, Class) {
    let by_answer = answer.and_then(understood);
    // Postfix writes 4.x.x for what it gave up on, whatever the receiver said.
    let is_soft = status.map_or_else(
        || by_answer.as_ref().is_some_and(|refusal| refusal.persistence == Persistence::Transient),
        |status| status.trim_start().starts_with('4'),
    );
    let Some(refusal) = by_answer.or_else(|| status.and_then(understood)) else {
        return if is_soft {
            (EventKind::BouncedSoft, Class::Soft)
        } else {
            (EventKind::BouncedHard, Class::Hard)
        };
    };
    let by_status = if is_soft { EventKind::BouncedSoft } else { EventKind::BouncedHard };
    match refusal.blames {
        _ if refusal.bad_address && !is_forwarded => (EventKind::InvalidAddress, Class::BadAddress),
        Blame::Message | Blame::Provider => (by_status, Class::Policy),
        Blame::Recipient if is_full(&refusal, status) => (EventKind::BouncedSoft, Class::Full),
        Blame::Recipient if refusal.persistence == Persistence::Transient => {
            (EventKind::BouncedSoft, Class::Soft)
        }
        Blame::Recipient => (by_status, if is_soft { Class::Soft } else { Class::Hard }),
    }
}

/// A mailbox that takes no more: X.2.2 (RFC 3463, section 3.3), 552, or the receivers' words for it.
fn is_full(refusal: &Refusal, status: Option<&str>) -> bool {
    let text = refusal.reply.to_lowercase();
    let by_word =
        ["ofr_417", "full", "pleine", "quota", "exceeded storage"].iter().any(|word| text.contains(word));
    let by_code = status.is_some_and(|status| status.trim().get(1..) == Some(".2.2"))
        || text.contains(".2.2 ")
        || text.starts_with("552");
    refusal.persistence == Persistence::Transient && (by_word || by_code)
}

/// Whether the refused recipient is somebody that ours forwards to.
fn is_another(last: &str, stated: Option<&str>, written_to: Option<&EmailAddress>) -> bool {
    let Ok(last) = EmailAddress::parse(last).map(|address| address.key()) else { return false };
    let stated = stated.and_then(|text| EmailAddress::parse(text).ok());
    let originals: Vec<_> = stated.iter().chain(written_to).map(EmailAddress::key).collect();
    !originals.is_empty() && !originals.contains(&last)
}

fn said(fields: &PerRecipient<'_>) -> Option<String> {
    let words = fields.diagnostic.or(fields.status)?;
    // `smtp;` and `x-unix;` are for machines.
    let words = words.split_once(';').filter(|(kind, _)| !kind.contains(' ')).map_or(words, |(_, rest)| rest);
    reason(words)
}

fn short(recipient: &str) -> String {
    depeche_core::outcome::one_line(recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shapes of PROVIDERS.md, section 5; what they mean is written there.
    #[test]
    fn the_receivers_words_decide_before_the_codes() {
        use Class as C;
        use EventKind as K;
        let table = [
            (
                "smtp; 550 5.1.1 Adresse d au moins un destinataire invalide. OFR_416",
                "5.1.1",
                K::InvalidAddress,
                C::BadAddress,
            ),
            ("smtp; 552 5.1.1 Boite du destinataire pleine. OFR_417", "5.1.1", K::BouncedSoft, C::Full),
            ("smtp; 550 5.2.0 Mail rejete. OFR_506", "5.2.0", K::BouncedHard, C::Policy),
            (
                "smtp; 501 5.0.2 Mail rejected. DMARC check failed; OFR_515",
                "5.0.2",
                K::BouncedHard,
                C::Policy,
            ),
            (
                "smtp; 550 5.5.0 Adresse destinataire invalide LPN007_416",
                "5.5.0",
                K::InvalidAddress,
                C::BadAddress,
            ),
            (
                "smtp; 550 5.7.1 Service refuse. Veuillez essayer plus tard LPN007_510",
                "5.7.1",
                K::BouncedHard,
                C::Policy,
            ),
            ("smtp; 550 5.5.0 compte bloque LPN007_426", "5.5.0", K::BouncedHard, C::Hard),
            ("smtp; 450 4.7.1 LPN027_503", "4.7.1", K::BouncedSoft, C::Policy),
            ("smtp; 550 spam detected", "5.0.0", K::BouncedHard, C::Policy),
            (
                "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
                "5.7.26",
                K::BouncedHard,
                C::Policy,
            ),
            (
                "smtp; 452 4.2.2 The email account that you tried to reach is over quota.",
                "4.2.2",
                K::BouncedSoft,
                C::Full,
            ),
            (
                "smtp; 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent: part of their network is on our block list (S3150).",
                "5.7.1",
                K::BouncedHard,
                C::Policy,
            ),
            (
                "smtp; 550 5.1.1 <zoe@exemple.fr>: Recipient address rejected: User unknown",
                "5.1.1",
                K::InvalidAddress,
                C::BadAddress,
            ),
            ("x-unix; user unknown", "5.1.1", K::InvalidAddress, C::BadAddress),
            ("X-Postfix; Host or domain name not found", "5.4.4", K::BouncedHard, C::Hard),
            ("X-Postfix; connect to mx.exemple.fr: Connection timed out", "4.4.1", K::BouncedSoft, C::Soft),
        ];
        for (answer, status, kind, class) in table {
            assert_eq!(judge(Some(answer), Some(status), false), (kind, class), "{answer}");
        }
        assert_eq!(judge(None, None, false), (K::BouncedHard, C::Hard));
    }

    #[test]
    fn an_address_that_forwards_to_a_dead_one_is_not_dead() {
        let fields = PerRecipient {
            original: Some("zoe@matin.example"),
            last: Some("ancienne@autre.example"),
            action: Some("failed"),
            status: Some("5.1.1"),
            diagnostic: Some("smtp; 550 5.1.1 User unknown"),
        };
        let kind = |fields: &PerRecipient<'_>| notice(fields, None).unwrap().kind;

        assert_eq!(kind(&fields), EventKind::BouncedHard);
        assert_eq!(
            kind(&PerRecipient { last: Some("Zoe@MATIN.example"), ..fields }),
            EventKind::InvalidAddress
        );
        assert_eq!(kind(&PerRecipient { original: None, ..fields }), EventKind::InvalidAddress);
        assert!(notice(&PerRecipient { action: Some("vanished"), ..fields }, None).is_none());
    }
}
