//! What a writer wrote, without what is quoted from us.

/// Begins what mail programs put above a quotation, or below what is written on a telephone.
const HEADS: [&str; 16] = [
    "envoyé de mon",
    "envoyé depuis",
    "envoyé à partir de",
    "sent from my",
    "sent from mail",
    "obtenez outlook",
    "get outlook for",
    "-----original message",
    "-----message d'origine",
    "----- message original",
    "-------- message original",
    "-------- forwarded message",
    "-------- message transféré",
    "________________________________",
    "de : ",
    "from: ",
];

/// The part above the first quotation or signature, without blank ends.
pub(super) fn of(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if ends(line) {
            break;
        }
        at += line.len();
    }
    text[..at].trim()
}

fn ends(line: &str) -> bool {
    let bare = line.trim_end();
    // RFC 3676, section 4.3: a signature begins with `-- `.
    if bare == "--" || bare.starts_with('>') {
        return true;
    }
    let lower = bare.trim_start().replace(['\u{2019}', '\u{a0}', '\u{202f}'], "'").to_lowercase();
    let is_attribution = (lower.starts_with("le ") && lower.ends_with("écrit':"))
        || (lower.starts_with("le ") && lower.ends_with("écrit :"))
        || (lower.starts_with("le ") && lower.ends_with("écrit:"))
        || (lower.starts_with("on ") && lower.ends_with("wrote:"));
    is_attribution || HEADS.iter().any(|head| lower.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_or_signed_is_not_ones_own() {
        let table = [
            ("STOP\n\n> Bonjour,\n> Voici", "STOP"),
            (
                "Merci !\r\n\r\nLe jeu. 3 déc. 2026 à 09:12, Service de presse <presse@exemple.fr> a\u{a0}écrit\u{a0}:\r\n> x",
                "Merci !",
            ),
            ("Stop\n\nOn Thu, Dec 3, 2026, Press wrote:\n> x", "Stop"),
            ("Unsubscribe\n-- \nZoé Roy\nMatin", "Unsubscribe"),
            ("ok\n-----Message d\u{2019}origine-----\nDe : x", "ok"),
            ("Le train part.\nIl est à l'heure.", "Le train part.\nIl est à l'heure."),
            ("Stop\n\nEnvoyé de mon iPhone", "Stop"),
            ("Stop\n\nSent from my iPhone", "Stop"),
            ("", ""),
        ];
        for (text, own) in table {
            assert_eq!(of(text), own, "{text}");
        }
    }
}
