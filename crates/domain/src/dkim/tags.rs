//! A tag list (RFC 6376, section 3.2): `name=value` between semicolons, names once each, with places.

use crate::span::Span;
use crate::text::{Text, both};

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Its name; case counts.
    pub(super) name: String,
    /// Its value, without white space around it.
    pub(super) value: String,
    /// The place of the whole tag.
    pub(super) span: Span,
}

/// What is no tag list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TagProblem {
    pub(super) span: Span,
    pub(super) message: Text,
}

/// The most tags that are read; no list in use has a third of them.
const MAX_TAGS: usize = 64;

/// Reads a tag list as far as it can be read, and at most 64 tags of it.
pub(super) fn parse(text: &str) -> (Vec<Tag>, Vec<TagProblem>) {
    let (mut tags, mut problems): (Vec<Tag>, Vec<TagProblem>) = (Vec::new(), Vec::new());
    let mut at = 0;
    for part in text.split(';') {
        let start = at + (part.len() - part.trim_start_matches(FWS).len());
        let span = Span::new(start, start + part.trim_matches(FWS).len());
        at += part.len() + 1;
        if span.start >= span.end {
            continue;
        }
        if tags.len() + problems.len() >= MAX_TAGS {
            let message = both!("there are more than {MAX_TAGS} tags", "il y a plus de {MAX_TAGS} balises");
            problems.push(TagProblem { span, message });
            break;
        }
        let Some((name, value)) = part.split_once('=').filter(|(name, _)| is_name(name.trim_matches(FWS)))
        else {
            let message = both!("`{}` is not a tag", "« {} » n'est pas une balise", span.of(text));
            problems.push(TagProblem { span, message });
            continue;
        };
        let name = name.trim_matches(FWS);
        if tags.iter().any(|tag| tag.name == name) {
            // RFC 6376, section 3.2: tags with duplicate names make the whole list invalid.
            let message = both!("`{name}` stands twice", "« {name} » figure deux fois");
            problems.push(TagProblem { span, message });
            continue;
        }
        tags.push(Tag { name: name.to_owned(), value: value.trim_matches(FWS).to_owned(), span });
    }
    (tags, problems)
}

/// A value without any white space, as base64 and lists are to be read.
pub(super) fn without_space(value: &str) -> String {
    value.chars().filter(|c| !FWS.contains(c)).collect()
}

fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(rest)
}

pub(super) const FWS: [char; 4] = [' ', '\t', '\r', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_stands_twice_or_is_none_is_named_with_its_place() {
        let text = "v=DKIM1; k=rsa; oops; k=rsa;";
        let (tags, problems) = parse(text);

        let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["v", "k"]);
        let places: Vec<_> = problems.iter().map(|problem| problem.span.of(text)).collect();
        assert_eq!(places, ["oops", "k=rsa"]);
    }
}
