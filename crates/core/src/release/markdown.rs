//! One Markdown source, two parts: an HTML fragment and a text of footnoted links.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What Markdown gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    pub(super) html: String,
    /// Paragraphs are single lines; [`super::wrap`] breaks them once they are personalised.
    pub(super) text: String,
    /// Raw HTML, by offset: shown as text, and refused by lint.
    pub(super) raw_html: Vec<usize>,
    /// Images of the Markdown itself: offset and target.
    pub(super) images: Vec<(usize, String)>,
    /// Link targets: offset and target.
    pub(super) links: Vec<(usize, String)>,
}

/// Reads Markdown (CommonMark, tables, strikethrough).
pub(super) fn read(source: &str) -> Body {
    let mut body = Body::default();
    let parser = Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES);
    let mut events = Vec::new();
    for (event, place) in parser.into_offset_iter() {
        match &event {
            Event::Html(html) | Event::InlineHtml(html) => {
                body.raw_html.push(place.start);
                events.push(Event::Text(html.clone()));
                continue;
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                body.images.push((place.start, dest_url.to_string()))
            }
            Event::Start(Tag::Link { dest_url, .. }) => body.links.push((place.start, dest_url.to_string())),
            _ => {}
        }
        events.push(event);
    }
    body.text = Text::default().write(&events);
    pulldown_cmark::html::push_html(&mut body.html, events.into_iter());
    body
}

/// Writes the text part.
#[derive(Default)]
struct Text {
    out: String,
    line: String,
    lists: Vec<Option<u64>>,
    quote: usize,
    links: Vec<String>,
    open_links: Vec<(String, usize)>,
    bullet: Option<String>,
}

impl Text {
    fn write(mut self, events: &[Event<'_>]) -> String {
        for event in events {
            self.take(event);
        }
        self.end_block();
        let notes = self.links.iter().enumerate().map(|(n, url)| format!("[{}] {url}\n", n + 1));
        let notes: String = notes.collect();
        let body = self.out.trim_end();
        if notes.is_empty() { format!("{body}\n") } else { format!("{body}\n\n{notes}") }
    }

    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) => self.line.push_str(text),
            Event::SoftBreak => self.line.push(' '),
            Event::HardBreak => self.line.push('\n'),
            Event::Rule => {
                self.line.push_str("* * *");
                self.end_block();
            }
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(*tag),
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Link { dest_url, .. } => self.open_links.push((dest_url.to_string(), self.line.len())),
            Tag::List(first) => {
                self.end_block();
                self.lists.push(*first);
            }
            Tag::Item => {
                let indent = "  ".repeat(self.lists.len().saturating_sub(1));
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.bullet = Some(format!("{indent}{mark}"));
            }
            Tag::BlockQuote(_) => {
                self.end_block();
                self.quote += 1;
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Link => self.close_link(),
            TagEnd::Heading(level) => {
                let is_large = level <= HeadingLevel::H2;
                if is_large {
                    self.line = self.line.to_uppercase();
                }
                self.end_block();
            }
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::TableRow | TagEnd::TableHead => self.end_block(),
            TagEnd::TableCell => self.line.push_str("  "),
            TagEnd::Item => self.end_line(),
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.out.push('\n');
                }
            }
            TagEnd::BlockQuote(_) => self.quote = self.quote.saturating_sub(1),
            _ => {}
        }
    }

    fn close_link(&mut self) {
        let Some((url, from)) = self.open_links.pop() else { return };
        let shown = self.line.get(from..).unwrap_or_default();
        let bare = url.strip_prefix("mailto:").unwrap_or(&url);
        if shown == bare || shown == url {
            return;
        }
        let number = match self.links.iter().position(|known| *known == url) {
            Some(known) => known + 1,
            None => {
                self.links.push(url);
                self.links.len()
            }
        };
        self.line.push_str(&format!(" [{number}]"));
    }

    fn end_line(&mut self) {
        if self.line.trim().is_empty() {
            self.line.clear();
            return;
        }
        let first = self.bullet.take();
        let quote = "> ".repeat(self.quote);
        for (index, line) in self.line.trim_end().lines().enumerate() {
            let lead = match (&first, index) {
                (Some(bullet), 0) => bullet.clone(),
                (Some(bullet), _) => " ".repeat(bullet.len()),
                (None, _) => String::new(),
            };
            self.out.push_str(&format!("{quote}{lead}{}\n", line.trim_end()));
        }
        self.line.clear();
    }

    fn end_block(&mut self) {
        let had_text = !self.line.trim().is_empty();
        self.end_line();
        if had_text && self.lists.is_empty() {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_become_footnotes_and_lists_stay_lists() {
        let body =
            read("Voir [le site](https://exemple.fr) et [ici](https://exemple.fr).\n\n- un\n- deux\n\nFin.");

        assert_eq!(
            body.text,
            "Voir le site [1] et ici [1].\n\n- un\n- deux\n\nFin.\n\n[1] https://exemple.fr\n"
        );
    }

    #[test]
    fn raw_html_is_shown_as_text_and_noted() {
        let body = read("a <script>alert(1)</script>");

        assert!(!body.html.contains("<script>"));
        assert_eq!(body.raw_html.len(), 2);
    }
}
