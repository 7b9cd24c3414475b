//! A place in a record: the octets that a message speaks about.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Octets of a record, from `start` up to but without `end`. In JSON: `[start, end]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first octet, from 0.
    pub start: usize,
    /// The octet after the last one.
    pub end: usize,
}

impl Span {
    /// From `start` up to but without `end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The text it covers; empty when it does not lie on character borders.
    #[must_use]
    pub fn of<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Where each octet of a text stands once what is no UTF-8 was replaced for showing
/// ([`String::from_utf8_lossy`]): places in octets become places in that text, on borders of characters.
pub(crate) struct Shown {
    /// For each octet: where the character that it is part of begins, and where it ends.
    characters: Vec<(usize, usize)>,
}

impl Shown {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut characters = Vec::with_capacity(text.len());
        let mut at = 0;
        let mut take = |octets: usize, shown: usize| {
            characters.extend(std::iter::repeat_n((at, at + shown), octets));
            at += shown;
        };
        for chunk in text.utf8_chunks() {
            chunk.valid().chars().for_each(|c| take(c.len_utf8(), c.len_utf8()));
            if !chunk.invalid().is_empty() {
                take(chunk.invalid().len(), char::REPLACEMENT_CHARACTER.len_utf8());
            }
        }
        Self { characters }
    }

    /// The same place in the text that is shown.
    pub(crate) fn place(&self, span: Span) -> Span {
        let all = self.characters.last().map_or(0, |(_, end)| *end);
        let start = self.characters.get(span.start).map_or(all, |(start, _)| *start);
        let last = span.end.checked_sub(1).and_then(|last| self.characters.get(last));
        Span::new(start, last.map_or(start, |(_, end)| *end).max(start))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.start, self.end).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (start, end) = Deserialize::deserialize(deserializer)?;
        Ok(Self { start, end })
    }
}
