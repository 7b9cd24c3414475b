//! What stands without a provider or an operator, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::on_one_line;
use crate::outage::{State, Survey};
use crate::text::Lang;

/// One survey as text: what breaks first, each with its cure.
#[must_use]
pub fn outage_text(survey: &Survey, lang: Lang) -> String {
    let down = on_one_line(&survey.down);
    let with = survey.operators.join(", ");
    let mut out = match (lang, survey.is_known) {
        (Lang::En, true) => format!("without {down} ({with}):\n"),
        (Lang::Fr, true) => format!("sans {down} ({with}) :\n"),
        (Lang::En, false) => format!("nothing that is known here rests on {down}:\n"),
        (Lang::Fr, false) => format!("rien de connu ici ne repose sur {down} :\n"),
    };
    let mut parts: Vec<_> = survey.parts.iter().collect();
    parts.sort_by_key(|part| match part.state {
        State::Breaks => 0,
        State::NotKnown => 1,
        State::Survives => 2,
    });
    for part in parts {
        let (state, what) = (state_words(part.state, lang), part_words(part.part, lang));
        let (name, why) = (on_one_line(&part.name), on_one_line(part.why.in_lang(lang)));
        let colon = if lang == Lang::Fr { " :" } else { ":" };
        let _ = writeln!(out, "  {state}  {what} {name}{colon} {why}");
        if let Some(cure) = &part.cure {
            let _ = writeln!(out, "    → {}", on_one_line(cure.in_lang(lang)));
        }
    }
    out
}

/// The same as a value, for the document of `plan`.
#[must_use]
pub fn outage_document(survey: &Survey, lang: Lang) -> Value {
    let parts = survey.parts.iter().map(|part| {
        json!({
            "part": part.part,
            "name": part.name,
            "state": part.state,
            "why": part.why.in_lang(lang),
            "cure": part.cure.as_ref().map(|cure| cure.in_lang(lang)),
        })
    });
    json!({ "name": survey.down, "operators": survey.operators, "known": survey.is_known,
        "parts": parts.collect::<Vec<_>>() })
}

fn state_words(state: State, lang: Lang) -> &'static str {
    match (state, lang) {
        (State::Survives, Lang::En) => "survives ",
        (State::Breaks, Lang::En) => "breaks   ",
        (State::NotKnown, Lang::En) => "not known",
        (State::Survives, Lang::Fr) => "tient   ",
        (State::Breaks, Lang::Fr) => "casse   ",
        (State::NotKnown, Lang::Fr) => "inconnu ",
    }
}

fn part_words(part: &str, lang: Lang) -> &str {
    match (part, lang) {
        ("dns", _) => "DNS",
        ("from", Lang::En) => "answers and bounces to",
        ("from", Lang::Fr) => "réponses et retours à",
        ("reply-to", _) => "Reply-To",
        ("provider", Lang::Fr) => "fournisseur",
        ("link", Lang::Fr) => "lien",
        ("unsubscribe", Lang::Fr) => "désinscription",
        (other, _) => other,
    }
}
