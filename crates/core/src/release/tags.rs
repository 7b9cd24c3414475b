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

    /// Whether a text holds a tag that was taken out.
    pub(super) fn stand_in(text: &str) -> bool {
        text.contains(OPEN) || text.contains(CLOSE)
    }
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
}
