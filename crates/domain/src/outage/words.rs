//! The sentences of a survey, and the cures, in both languages.

use super::{Carrier, Facts, Keys, Need, NeedKind, Place, PlaceKind, State};
use crate::align::Proof;
use crate::text::{Text, both};

type Told = (Text, Option<Text>);

pub(super) fn carrier(facts: &Facts, carrier: &Carrier, is_lost: bool, dns: State, state: State) -> Told {
    let (name, domain) = (&carrier.name, &facts.domain);
    if is_lost {
        let others = facts.carriers.len() > 1;
        let cure = (!others).then(|| {
            both!(
                "add a second provider at another operator to depeche.toml",
                "ajoutez dans depeche.toml un second fournisseur, chez un autre opérateur"
            )
        });
        return (both!("it is what is down", "c'est lui qui tombe"), cure);
    }
    match (state, dns, carrier.aligned) {
        (State::Breaks, State::Breaks, _) => (
            both!(
                "it takes mail, but nobody can look up SPF, DKIM and DMARC of {domain}: it waits or lands in spam",
                "il prend les messages, mais personne ne peut lire SPF, DKIM et DMARC de {domain} : ils attendent ou finissent en indésirables"
            ),
            None,
        ),
        (State::Breaks, ..) => (
            both!(
                "its mail fails DMARC for {domain}: it cannot take over",
                "son courrier échoue à DMARC pour {domain} : il ne peut pas prendre le relais"
            ),
            Some(both!(
                "`depeche domain suggest {domain} --provider {name}` shows what to publish",
                "`depeche domain suggest {domain} --provider {name}` montre ce qu'il faut publier"
            )),
        ),
        (State::Survives, ..) => (
            both!(
                "it can take over: its mail passes DMARC for {domain}",
                "il peut prendre le relais : son courrier passe DMARC pour {domain}"
            ),
            None,
        ),
        (State::NotKnown, _, Proof::CannotTell) => (
            both!(
                "whether its mail passes DMARC for {domain} is not known",
                "on ne sait pas si son courrier passe DMARC pour {domain}"
            ),
            Some(both!(
                "`depeche domain check {domain} --provider {name}` shows what is missing for a proof",
                "`depeche domain check {domain} --provider {name}` montre ce qui manque à la preuve"
            )),
        ),
        (State::NotKnown, ..) => (
            both!(
                "who runs the name servers of {domain} is not known, so whether its mail can be verified is not either",
                "on ne sait pas qui gère les serveurs de noms de {domain}, ni donc si son courrier pourra être vérifié"
            ),
            None,
        ),
    }
}

/// What is to be said when the zone of a provider's keys decides; `None` when it does not.
pub(super) fn keys(carrier: &Carrier, keys: &Keys<'_>, state: State) -> Option<Told> {
    if carrier.aligned != Proof::Yes {
        return None;
    }
    match (keys, state) {
        (Keys::Lost(zone), State::Breaks | State::NotKnown) => {
            let (zone, operators) = (&zone.zone, zone.operators.as_deref().unwrap_or_default().join(", "));
            let why = both!(
                "its keys are kept in {zone}, which {operators} alone serves: nobody can verify its signatures once the TTL is over",
                "ses clés sont dans {zone}, que seul {operators} sert : plus personne ne peut vérifier ses signatures une fois le TTL passé"
            );
            let cure = both!(
                "have SPF aligned too (a return path of your own domain), or put another provider before it",
                "alignez aussi SPF (une adresse de retour à votre domaine), ou placez un autre fournisseur avant lui"
            );
            Some((why, Some(cure)))
        }
        (Keys::Lost(zone), State::Survives) => {
            let zone = &zone.zone;
            Some((
                both!(
                    "nobody can look up its keys in {zone}, but SPF is aligned: its mail still passes DMARC",
                    "plus personne ne peut lire ses clés dans {zone}, mais SPF est aligné : son courrier passe encore DMARC"
                ),
                None,
            ))
        }
        (Keys::NotKnown(zone), State::NotKnown) => {
            let zone = &zone.zone;
            Some((
                both!(
                    "DNS did not say who serves {zone}, where its keys are",
                    "le DNS n'a pas dit qui sert {zone}, où sont ses clés"
                ),
                None,
            ))
        }
        _ => None,
    }
}

pub(super) fn place(place: &Place, state: State, need: Option<&Need>) -> Told {
    match state {
        State::Survives => {
            let mut operators: Vec<_> =
                place.needs.iter().flat_map(|need| need.operators.iter().flatten().cloned()).collect();
            operators.sort();
            operators.dedup();
            let shown = operators.join(", ");
            (both!("it rests on {shown}", "repose sur {shown}"), None)
        }
        State::NotKnown => (both!("DNS did not say who runs it", "le DNS n'a pas dit qui le gère"), None),
        State::Breaks => (broken(need), Some(cure(place, need))),
    }
}

fn broken(need: Option<&Need>) -> Text {
    let operators =
        need.and_then(|need| need.operators.as_ref()).map(|all| all.join(", ")).unwrap_or_default();
    match need.map(|need| need.kind) {
        Some(NeedKind::Exchangers) => both!(
            "all its mail exchangers are {operators}'s: answers wait with their senders, and come back after days",
            "tous ses serveurs MX sont chez {operators} : les réponses attendent chez leurs expéditeurs et reviennent après des jours"
        ),
        Some(NeedKind::Web) => both!(
            "its web server is {operators}'s: readers see an error",
            "son serveur web est chez {operators} : les lecteurs voient une erreur"
        ),
        _ => both!(
            "all its name servers are {operators}'s: nobody finds it once the TTL is over",
            "tous ses serveurs de noms sont chez {operators} : plus personne ne le trouve une fois le TTL passé"
        ),
    }
}

fn cure(place: &Place, need: Option<&Need>) -> Text {
    let name = &place.name;
    if need.is_some_and(|need| need.kind == NeedKind::NameServers) {
        return both!(
            "add a second DNS operator as secondary for {name}, and keep TTLs at an hour",
            "ajoutez un second opérateur DNS en secondaire pour {name}, et gardez des TTL d'une heure"
        );
    }
    match place.kind {
        PlaceKind::Dns | PlaceKind::From => both!(
            "set reply_to in depeche.toml to an address whose mailbox is at another operator",
            "mettez dans depeche.toml un reply_to dont la boîte est chez un autre opérateur"
        ),
        PlaceKind::ReplyTo => both!(
            "take a Reply-To whose mailbox is at another operator, and put a phone number into the release",
            "prenez un Reply-To dont la boîte est chez un autre opérateur, et mettez un numéro de téléphone dans le communiqué"
        ),
        PlaceKind::Link => both!(
            "say what matters in the release itself, or link to a copy at another operator",
            "dites l'essentiel dans le communiqué même, ou liez une copie chez un autre opérateur"
        ),
        PlaceKind::Image => both!(
            "send the image inside the message, or keep a copy at another operator",
            "envoyez l'image dans le message, ou gardez-en une copie chez un autre opérateur"
        ),
        PlaceKind::Unsubscribe => both!(
            "give a second way to opt out at another operator: [unsubscribe] takes mailto and url",
            "donnez un second moyen de se désinscrire chez un autre opérateur : [unsubscribe] prend mailto et url"
        ),
    }
}
