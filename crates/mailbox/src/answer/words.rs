//! What a machine's answer says, in French and English. Asked only where a header has said that it is a
//! machine's.

use depeche_core::address::EmailAddress;

use crate::letter::AnswerKind;

/// The person does not work there any more.
const LEFT: [&str; 22] = [
    "a quitté",
    "ai quitté",
    "avons quitté",
    "ne travaille plus",
    "ne fait plus partie",
    "ne fais plus partie",
    "n'est plus en poste",
    "ne suis plus en poste",
    "n'est plus dans la rédaction",
    "n'exerce plus",
    "n'est plus joignable à cette adresse",
    "cette adresse n'est plus utilisée",
    "a changé d'adresse",
    "has left",
    "have left",
    "no longer work",
    "no longer with",
    "no longer employed",
    "no longer part of",
    "is no longer at",
    "this address is no longer",
    "left the company",
];

/// The person is away and comes back.
const AWAY: [&str; 26] = [
    "absent",
    "absence",
    "en congé",
    "en vacances",
    "en déplacement",
    "en reportage",
    "en arrêt",
    "de retour le",
    "mon retour",
    "à partir du",
    "réponse automatique",
    "message d'absence",
    "hors du bureau",
    "out of office",
    "out of the office",
    "out-of-office",
    "automatic reply",
    "on leave",
    "on vacation",
    "on holiday",
    "annual leave",
    "maternity leave",
    "away from my desk",
    "away from the office",
    "i will be back",
    "i am away",
];

/// So many new addresses are shown.
const MOST_ADDRESSES: usize = 5;

/// What it says; addresses in `except` are nobody's new one.
pub(super) fn what_it_says(subject: &str, own: &str, except: &[EmailAddress]) -> AnswerKind {
    let text = format!("{subject}\n{own}").replace('\u{2019}', "'").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&LEFT) {
        return AnswerKind::Left { write_to: addresses(own, except) };
    }
    if says(&AWAY) { AnswerKind::OutOfOffice } else { AnswerKind::Automatic }
}

fn addresses(text: &str, except: &[EmailAddress]) -> Vec<EmailAddress> {
    let is_around = |c: char| c.is_whitespace() || "<>()[]\"',;:!?".contains(c);
    let mut found: Vec<EmailAddress> = Vec::new();
    for word in text.split(is_around).filter(|word| word.contains('@')) {
        let Ok(address) = EmailAddress::parse(word.trim_matches('.')) else { continue };
        let is_known = found.iter().chain(except).any(|known| known.key() == address.key());
        if !is_known && found.len() < MOST_ADDRESSES {
            found.push(address);
        }
    }
    found
}
