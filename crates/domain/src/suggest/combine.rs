//! Published SPF records as the terms of one, with the meaning that they have now (RFC 7208).
//!
//! Terms keep their order and their qualifier. A record ends at its first `all`: what stands behind it is
//! ignored (section 5.1) and must not come alive. Without an `all` its `redirect` comes last of its terms
//! (section 6.1), as an `include`, which passes for whom the redirect passes; beside the `all` of the new
//! record it would be ignored. Of several records the first one's terms come first. What cannot be read is
//! named and makes the result incomplete: nobody knows whom it was to let pass.

use crate::span::Span;
use crate::spf::{Directive, Mechanism, Modifier, Qualifier, Record, SyntaxError, Term, TermKind};
use crate::text::{Text, both};

/// The terms of one record out of those that are published.
#[derive(Clone, Debug)]
pub(crate) struct Combined {
    /// Mechanisms, in the order of evaluation, without the `all`.
    pub(crate) terms: Vec<String>,
    /// `exp=` and modifiers that nobody knows: they stand behind the `all`.
    pub(crate) modifiers: Vec<String>,
    /// `-all` when somebody published it, else `~all`.
    pub(crate) all: &'static str,
    /// What was changed or left out, and why.
    pub(crate) notes: Vec<Text>,
    /// Nothing was left out because it could not be read.
    pub(crate) is_complete: bool,
}

impl Combined {
    /// Puts the records together; `useless` says of a term why it need not stay.
    pub(crate) fn of(records: &[Record], useless: impl Fn(&Term) -> Option<Text>) -> Self {
        let strict = records.iter().any(|record| record.all().is_some_and(|(_, q)| q == Qualifier::Fail));
        let mut combined = Self {
            terms: Vec::new(),
            modifiers: Vec::new(),
            all: if strict { "-all" } else { "~all" },
            notes: Vec::new(),
            is_complete: true,
        };
        for record in records {
            combined.add(record, &useless);
        }
        combined
    }

    /// The record's text.
    pub(crate) fn text(&self) -> String {
        self.with_terms(&self.terms)
    }

    /// The record's text with other terms in the place of these.
    pub(crate) fn with_terms(&self, terms: &[String]) -> String {
        let words = terms.iter().map(String::as_str).chain([self.all]);
        let words = words.chain(self.modifiers.iter().map(String::as_str));
        words.fold("v=spf1".to_owned(), |text, word| format!("{text} {word}"))
    }

    fn add(&mut self, record: &Record, useless: &impl Fn(&Term) -> Option<Text>) {
        let (mut ended, mut redirect) = (false, None);
        for word in words(record) {
            let Some(term) = self.read(&word) else { continue };
            let text = &term.text;
            match &term.kind {
                TermKind::Directive(_) if ended => self.notes.push(both!(
                    "{text} is left out: it stands after `all` and was never read",
                    "{text} est retiré : il suit « all » et n'était jamais lu"
                )),
                TermKind::Directive(Directive { mechanism: Mechanism::All, qualifier }) => {
                    ended = true;
                    self.note_ending(text, *qualifier);
                }
                TermKind::Directive(_) => match useless(&term) {
                    Some(Text { en, fr }) => {
                        self.notes.push(both!("{text} is left out: {en}", "{text} est retiré : {fr}"));
                    }
                    None => push(&mut self.terms, text.clone()),
                },
                TermKind::Modifier(Modifier::Redirect(_)) if redirect.is_none() => redirect = Some(term),
                TermKind::Modifier(Modifier::Redirect(_)) => self.note_second(text),
                TermKind::Modifier(Modifier::Explanation(_)) if self.explains() => self.note_second(text),
                TermKind::Modifier(_) => push(&mut self.modifiers, text.clone()),
            }
        }
        if let Some(term) = redirect {
            self.end_with(&term, ended, useless(&term));
        }
    }

    /// The redirect as the last include of its record.
    fn end_with(&mut self, redirect: &Term, ended: bool, useless: Option<Text>) {
        let text = &redirect.text;
        match (text.split_once('='), useless) {
            _ if ended => self.notes.push(both!(
                "{text} is left out: beside `all` it was never read",
                "{text} est retiré : à côté de « all », il n'était jamais lu"
            )),
            (_, Some(Text { en, fr })) => {
                self.notes.push(both!("{text} is left out: {en}", "{text} est retiré : {fr}"));
            }
            (target, None) => {
                let target = target.map_or(text.as_str(), |(_, target)| target);
                push(&mut self.terms, format!("include:{target}"));
            }
        }
    }

    /// Makes sure that a mechanism is there, and passes: behind the same one with another qualifier it would
    /// never be read.
    pub(crate) fn let_pass(&mut self, mechanism: &str) {
        let is_it =
            |own: &&mut String| own.trim_start_matches(['+', '-', '~', '?']).eq_ignore_ascii_case(mechanism);
        match self.terms.iter_mut().find(is_it) {
            Some(own) if own.starts_with(['-', '~', '?']) => {
                let was = std::mem::replace(own, mechanism.to_owned());
                self.notes.push(both!(
                    "{was} is written as {mechanism}: a provider of yours sends from there",
                    "{was} est écrit {mechanism} : un de vos fournisseurs envoie depuis là"
                ));
            }
            Some(_) => {}
            None => self.terms.push(mechanism.to_owned()),
        }
    }

    /// A word as a term: as it is, or as it was meant.
    fn read(&mut self, word: &Word<'_>) -> Option<Term> {
        let (text, error) = match word {
            Word::Term(term) => return Some((*term).clone()),
            Word::Wrong(text, error) => (*text, *error),
        };
        let meant = error.meant.as_deref().and_then(alone);
        match &meant {
            Some(term) => {
                let meant = &term.text;
                self.notes.push(both!("{text} is written as {meant}", "{text} est écrit {meant}"));
            }
            None => {
                self.is_complete = false;
                let (en, fr) = (&error.message.en, &error.message.fr);
                self.notes.push(Text {
                    en: format!("to be completed: {text} cannot be read and is left out ({en}): write what it was to allow"),
                    fr: format!("à compléter : {text} est illisible et a été retiré ({fr}) : écrivez ce qu'il devait autoriser"),
                });
            }
        }
        meant
    }

    fn note_ending(&mut self, text: &str, qualifier: Qualifier) {
        if qualifier == Qualifier::Pass {
            let all = self.all;
            self.notes.push(both!(
                "{text} let the whole world send as this domain: {all} takes its place",
                "{text} permettait au monde entier d'envoyer au nom de ce domaine : {all} le remplace"
            ));
        }
    }

    fn note_second(&mut self, text: &str) {
        self.notes.push(both!(
            "{text} is left out: only one may stand in a record",
            "{text} est retiré : un enregistrement n'en a qu'un"
        ));
    }

    fn explains(&self) -> bool {
        self.modifiers.iter().any(|text| text.to_ascii_lowercase().starts_with("exp="))
    }
}

/// What is said twice is read once.
fn push(terms: &mut Vec<String>, term: String) {
    if !terms.contains(&term) {
        terms.push(term);
    }
}

enum Word<'a> {
    Term(&'a Term),
    Wrong(&'a str, &'a SyntaxError),
}

/// The words of a record in their order, readable or not.
fn words(record: &Record) -> Vec<Word<'_>> {
    let readable = record.terms.iter().map(|term| (term.span.start, Word::Term(term)));
    // A modifier that stands twice can be read, and is.
    let is_term = |span: Span| record.terms.iter().any(|term| term.span == span);
    let wrong = record.errors.iter().filter(|error| !is_term(error.span));
    let wrong = wrong.map(|error| (error.span.start, Word::Wrong(word_at(&record.text, error.span), error)));
    let mut all: Vec<_> = readable.chain(wrong).collect();
    all.sort_by_key(|(start, _)| *start);
    all.into_iter().map(|(_, word)| word).collect()
}

/// The whole word that a place lies in.
fn word_at(text: &str, span: Span) -> &str {
    let start = text.get(..span.start).and_then(|before| before.rfind(' ')).map_or(0, |at| at + 1);
    let rest = text.get(start..).unwrap_or_default();
    rest.split(' ').next().unwrap_or_default()
}

/// A term by itself, when it can be read.
fn alone(text: &str) -> Option<Term> {
    let record = crate::spf::parse(format!("v=spf1 {text}").as_bytes());
    match (record.terms.as_slice(), record.errors.as_slice()) {
        ([term], []) => Some(term.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combined(records: &[&str]) -> (String, bool, usize) {
        let records: Vec<_> = records.iter().map(|text| crate::spf::parse(text.as_bytes())).collect();
        let combined = Combined::of(&records, |_| None);
        (combined.text(), combined.is_complete, combined.notes.len())
    }

    /// RFC 7208, sections 4.6.2, 5.1, 6.1 and 6.2.
    #[test]
    fn one_record_says_what_the_others_said() {
        let cases: &[(&[&str], &str, usize)] = &[
            (
                &["v=spf1 -ip4:203.0.113.5 redirect=part.example"],
                "v=spf1 -ip4:203.0.113.5 include:part.example ~all",
                0,
            ),
            (&["v=spf1 redirect=part.example mx"], "v=spf1 mx include:part.example ~all", 0),
            (
                &["v=spf1 ip4:192.0.2.4 redirect=%{d}.x.net"],
                "v=spf1 ip4:192.0.2.4 include:%{d}.x.net ~all",
                0,
            ),
            (&["v=spf1 -all include:part.example exp=why.%{d}"], "v=spf1 -all exp=why.%{d}", 1),
            (&["v=spf1 mx ~all redirect=part.example"], "v=spf1 mx ~all", 1),
            (&["v=spf1 mx +all"], "v=spf1 mx ~all", 1),
            (&["v=spf1 a ra=postmaster ?all"], "v=spf1 a ~all ra=postmaster", 0),
            (
                &["v=spf1 redirect=part.example", "v=spf1 ip4:192.0.2.7 mx -all"],
                "v=spf1 include:part.example ip4:192.0.2.7 mx -all",
                0,
            ),
            (
                &["v=spf1 mx exp=a.example ~all", "v=spf1 mx exp=b.example ~all"],
                "v=spf1 mx ~all exp=a.example",
                1,
            ),
            (&["v=spf1 mx -inclde:x.example ~al a"], "v=spf1 mx -include:x.example ~all", 3),
        ];
        for (records, expected, notes) in cases {
            assert_eq!(combined(records), ((*expected).to_owned(), true, *notes), "{records:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_record_is_to_be_completed() {
        let text = "v=spf1 ip4:192.0.2.4 ip4:198.51.100.0/33 a:mail_host ip4:198.51.100.7:25 ~all";

        let (record, is_complete, notes) = combined(&[text]);

        assert_eq!((record.as_str(), is_complete), ("v=spf1 ip4:192.0.2.4 ~all", false));
        assert_eq!(notes, 3);
    }
}
