//! What a reader of an HTML part meets: words by block, links with their words, images.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// An HTML part, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Html {
    /// The words of each block, with single blanks.
    pub(super) blocks: Vec<String>,
    pub(super) links: Vec<Link>,
    pub(super) images: Vec<Image>,
    /// Start tags with their attributes, but for targets and sources.
    pub(super) shape: Vec<String>,
}

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) target: String,
    pub(super) words: String,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Image {
    pub(super) source: String,
    /// From elsewhere, and of a pixel or none.
    pub(super) is_pixel: bool,
}

/// Tags that begin a new block of words.
const BLOCKS: [&str; 20] = [
    "p",
    "div",
    "td",
    "th",
    "tr",
    "table",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "ul",
    "ol",
    "blockquote",
    "body",
    "center",
];
/// What stands inside these is not read.
const SILENT: [&str; 3] = ["style", "script", "title"];

impl Html {
    /// Reads `source`; broken markup is read as a browser would.
    pub(super) fn read(source: &str) -> Self {
        let reader = Reader(RefCell::default());
        let tokenizer = Tokenizer::new(reader, TokenizerOpts::default());
        let input = BufferQueue::default();
        input.push_back(StrTendril::from_slice(source));
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        let mut reading = tokenizer.sink.0.into_inner();
        reading.end_block();
        reading.html
    }
}

/// The tokenizer hands out shared references to its sink.
struct Reader(RefCell<Reading>);

#[derive(Default)]
struct Reading {
    html: Html,
    block: String,
    /// A link that is open, by its place among the links.
    open: Option<usize>,
    silent: Option<String>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reading = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => reading.text(&text),
            Token::TagToken(tag) => reading.tag(&tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Reading {
    fn text(&mut self, text: &str) {
        if self.silent.is_some() {
            return;
        }
        self.block.push_str(text);
        if let Some(link) = self.open.and_then(|at| self.html.links.get_mut(at)) {
            link.words.push_str(text);
        }
    }

    fn tag(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        if let Some(silent) = &self.silent {
            if tag.kind == TagKind::EndTag && silent == name {
                self.silent = None;
            }
            return;
        }
        if BLOCKS.contains(&name) {
            self.end_block();
        }
        match (tag.kind, name) {
            (TagKind::StartTag, "a") => self.begin_link(tag),
            (TagKind::EndTag, "a") => self.end_link(),
            (TagKind::StartTag, "img") => self.html.images.extend(image(tag)),
            (TagKind::StartTag, _) if SILENT.contains(&name) => self.silent = Some(name.to_owned()),
            _ => {}
        }
        if tag.kind == TagKind::StartTag {
            self.html.shape.push(shape(tag));
        }
    }

    fn begin_link(&mut self, tag: &Tag) {
        self.end_link();
        if let Some(target) = attribute(tag, "href") {
            self.open = Some(self.html.links.len());
            self.html.links.push(Link { target: target.trim().to_owned(), words: String::new() });
        }
    }

    fn end_link(&mut self) {
        if let Some(link) = self.open.take().and_then(|at| self.html.links.get_mut(at)) {
            link.words = single_blanks(&link.words);
        }
    }

    fn end_block(&mut self) {
        let words = single_blanks(&std::mem::take(&mut self.block));
        if !words.is_empty() {
            self.html.blocks.push(words);
        }
    }
}

fn image(tag: &Tag) -> Option<Image> {
    let source = attribute(tag, "src")?.trim().to_owned();
    let style: String = attribute(tag, "style").unwrap_or_default().to_lowercase();
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    let is_tiny = |name: &str| {
        let stated = attribute(tag, name).unwrap_or_default();
        let stated = stated.trim().trim_end_matches("px");
        let in_style = |size: u8| style.split(';').any(|rule| rule == format!("{name}:{size}px"));
        matches!(stated, "0" | "1") || in_style(0) || in_style(1)
    };
    let is_hidden = style.contains("display:none") || style.contains("visibility:hidden");
    let is_elsewhere = ["http:", "https:", "//"].iter().any(|start| source.starts_with(start));
    Some(Image { is_pixel: is_elsewhere && (is_hidden || (is_tiny("width") && is_tiny("height"))), source })
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name)?;
    Some(found.value.to_string())
}

fn shape(tag: &Tag) -> String {
    let mut attributes: Vec<String> = tag
        .attrs
        .iter()
        .filter(|attribute| !matches!(&*attribute.name.local, "href" | "src"))
        .map(|attribute| format!("{}={}", attribute.name.local, attribute.value))
        .collect();
    attributes.sort();
    format!("{} {}", tag.name, attributes.join(" "))
}

fn single_blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
