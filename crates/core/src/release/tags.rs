//! Keeps template tags out of the way while Markdown, layout and CSS do their work.
//!
//! `{{ contact.first_name }}` is taken out before Markdown sees it and put back at the very end, so
//! that nothing rewrites it, and so that no other text (an organisation called `{{x}}`, say) can ever
//! become a tag.

/// Opens the number of a tag that was taken out. Private use: refused in sources.
const OPEN: char = '\u{E000}';
/// Closes it.
const CLOSE: char = '\u{E001}';

/// Tags that were taken out of a text, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Tags(Vec<String>);

/// A tag that is not closed; the offset of its opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed(pub(super) usize);

impl Tags {
    /// Takes the tags out of `text`. Comments (`{# … #}`) are dropped.
    pub(super) fn take_out(&mut self, text: &str) -> Result<String, Unclosed> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let close = match rest.as_bytes().get(at + 1) {
                Some(b'{') => "}}",
                Some(b'%') => "%}",
                Some(b'#') => "#}",
                _ => {
                    out.push_str(&rest[..=at]);
                    rest = &rest[at + 1..];
                    continue;
                }
            };
            let offset = text.len() - rest.len() + at;
            let end = rest[at..].find(close).ok_or(Unclosed(offset))? + at + close.len();
            out.push_str(&rest[..at]);
            if close != "#}" {
                out.push_str(&format!("{OPEN}{}{CLOSE}", self.0.len()));
                self.0.push(rest[at..end].to_owned());
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Puts the tags back, and makes every other brace plain text for the template engine.
    pub(super) fn put_back(&self, text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, characters.peek()) {
                ('{', Some('{' | '%' | '#')) => plain.push_str("{{ '{' }}"),
                (OPEN, _) => {
                    let number: String = characters.by_ref().take_while(|c| *c != CLOSE).collect();
                    let tag = number.parse::<usize>().ok().and_then(|number| self.0.get(number));
                    plain.push_str(tag.map_or("", String::as_str));
                }
                (other, _) => plain.push(other),
            }
        }
        plain
    }

    /// Unwraps block tags that stand alone in a paragraph: `<p>{% if … %}</p>`.
    pub(super) fn unwrap_blocks(&self, html: &str) -> String {
        let mut html = html.to_owned();
        for (number, tag) in self.0.iter().enumerate() {
            if tag.starts_with("{%") {
                let mark = format!("{OPEN}{number}{CLOSE}");
                html = html.replace(&format!("<p>{mark}</p>\n"), &mark);
            }
        }
        html
    }

    /// Whether every tag only stands for a field, with or without a default, or asks whether there is one: such
    /// tags fail for a missing field and for nothing else.
    pub(super) fn only_stand_for_fields(&self) -> bool {
        self.0.iter().all(|tag| {
            let inner = tag.trim_matches(['{', '}', '%', '-', '+']).trim();
            let question = inner.strip_prefix("if ").or_else(|| inner.strip_prefix("elif "));
            match inner {
                "else" | "endif" => true,
                _ => is_field(question.unwrap_or(inner).trim()),
            }
        })
    }

    /// Whether a text holds a tag that was taken out.
    pub(super) fn stand_in(text: &str) -> bool {
        text.contains(OPEN) || text.contains(CLOSE)
    }
}

/// `contact.outlet`, or `contact.outlet | default("your newsroom")`.
fn is_field(expression: &str) -> bool {
    let (field, rest) = expression.split_once('|').unwrap_or((expression, ""));
    let name = field.trim().strip_prefix("contact.").unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let given = rest.trim().strip_prefix("default(").and_then(|rest| rest.strip_suffix(')')).map(str::trim);
    let is_text = |text: &str| {
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
        let inner = quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
        inner.is_some_and(|inner| {
            !inner.contains(['"', '\'', '\\']) || quote == Some('"') && !inner.contains(['"', '\\'])
        })
    };
    is_name && (rest.is_empty() || given.is_some_and(is_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_as_they_were_and_other_braces_are_plain_text() {
        let mut tags = Tags::default();

        let out = tags.take_out("a {{ contact.x }} b {% if y %}c{% endif %} {# no #}{ }").unwrap();

        assert!(!out.contains("contact"));
        let organisation = format!("{out} {{{{ evil }}}}");
        let back = tags.put_back(&organisation);
        assert!(back.starts_with("a {{ contact.x }} b {% if y %}c{% endif %} { }"));
        assert!(!back.contains("{{ evil"));
    }

    #[test]
    fn an_unclosed_tag_is_found_where_it_opens() {
        assert_eq!(Tags::default().take_out("ab {{ contact.x"), Err(Unclosed(3)));
    }

    #[test]
    fn a_tag_that_does_more_than_stand_for_a_field_is_recognised() {
        let only = |text: &str| {
            let mut tags = Tags::default();
            tags.take_out(text).unwrap();
            tags.only_stand_for_fields()
        };
        for plain in [
            "no tag",
            "{{ contact.first_name }} {{contact.x}} {{- contact.x -}}",
            "{{ contact.outlet | default(\"l'équipe\") }} {{ contact.outlet|default('x') }}",
            "{% if contact.outlet %}a{% elif contact.x %}b{% else %}c{% endif %}",
        ] {
            assert!(only(plain), "{plain}");
        }
        for more in [
            "{{ 1/0 }}",
            "{{ contact.x.y }}",
            "{{ contact.x[0] }}",
            "{{ contact.x | upper }}",
            "{{ contact.x | default(1/0) }}",
            "{{ contact.x | default(\"a\") | round }}",
            "{{ contact.x | default('a') ~ ('b') }}",
            "{{ contact.x + 1 }}",
            "{% include 'x' %}",
            "{% if contact.x == 1 %}a{% endif %}",
            "{{ contact }}",
        ] {
            assert!(!only(more), "{more}");
        }
    }
}
