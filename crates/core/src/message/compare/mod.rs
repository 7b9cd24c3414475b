//! What a provider changed: a received copy, held against the message that was sent.
//!
//! Providers open the MIME that they are given, or build one of their own: they add pixels, lead links
//! over their own host, put footers under the text, rename attachments, write other headers. Each of
//! these is one [`Difference`]. What every mail gathers on its way (Received, DKIM-Signature,
//! Authentication-Results …) is none.
//!
//! # Not covered
//!
//! How it looks: markup that changed without changing words, links or images is told once, and never in
//! substance. Calendar parts, S/MIME and PGP are compared as files.

mod files;
mod headers;
mod html;

use std::collections::BTreeMap;

use mail_parser::{Message as Parsed, MessageParser, PartType};

use self::html::Html;
use crate::outcome::one_line;

/// One thing that is not as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What kind of thing.
    pub change: Change,
    /// Whether a reader, or whoever answers, is told or shown something else. Message-ID and Date may
    /// differ without that.
    pub in_substance: bool,
    /// As it was sent, in one line of at most 500 characters; empty for what was added.
    pub sent: String,
    /// As it was received, in one line of at most 500 characters; empty for what is missing.
    pub received: String,
}

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// An image of a pixel or none, from elsewhere: it tells its host who reads.
    PixelAdded,
    /// Another image that was not sent.
    ImageAdded,
    /// An image that was sent is not shown.
    ImageMissing,
    /// The words of a link lead elsewhere.
    LinkRewritten,
    /// A link that was not sent.
    LinkAdded,
    /// A link that was sent.
    LinkMissing,
    /// Words that were not sent: a footer, mostly.
    TextAdded,
    /// Words that were sent.
    TextMissing,
    /// The HTML or the text part, or a file, is not there.
    PartDropped,
    /// A part or a file that was not sent.
    PartAdded,
    /// A file has another name.
    FileRenamed,
    /// A file of the same name has another content.
    FileChanged,
    /// A header says something else.
    HeaderChanged,
    /// A header that was sent is not there.
    HeaderDropped,
    /// A header that was not sent.
    HeaderAdded,
    /// The markup changed, its words, links and images did not.
    MarkupChanged,
}

/// A file that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {0} file is not a mail message")]
pub struct NotAMessage(pub Which);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The message as it was sent.
    Sent,
    /// The message as it was received.
    Received,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Received => "received",
        })
    }
}

/// Everything that differs between two messages in RFC 5322 form, those in substance first.
///
/// # Errors
///
/// [`NotAMessage`] when one of them has no header.
pub fn compare(sent: &[u8], received: &[u8]) -> Result<Vec<Difference>, NotAMessage> {
    let sent = read(sent, Which::Sent)?;
    let received = read(received, Which::Received)?;
    let mut found = Vec::new();
    headers::compare(&sent, &received, &mut found);
    compare_text(&sent, &received, &mut found);
    compare_html(&sent, &received, &mut found);
    files::compare(&sent, &received, &mut found);
    found.sort_by_key(|difference| !difference.in_substance);
    Ok(found)
}

/// The address of the first recipient in the header of a message.
#[must_use]
pub fn recipient(message: &[u8]) -> Option<String> {
    let parsed = MessageParser::default().parse_headers(message)?;
    Some(parsed.to()?.first()?.address()?.to_owned())
}

fn read(message: &[u8], which: Which) -> Result<Parsed<'_>, NotAMessage> {
    let parsed = MessageParser::default().parse(message).ok_or(NotAMessage(which))?;
    let has_sender = parsed.from().is_some();
    if has_sender { Ok(parsed) } else { Err(NotAMessage(which)) }
}

fn compare_text(sent: &Parsed<'_>, received: &Parsed<'_>, found: &mut Vec<Difference>) {
    match (plain(sent), plain(received)) {
        (Some(sent), Some(received)) => compare_words(&paragraphs(&sent), &paragraphs(&received), found),
        (Some(_), None) => found.push(Difference::new(Change::PartDropped, "text/plain", "")),
        (None, Some(_)) => found.push(Difference::new(Change::PartAdded, "", "text/plain")),
        (None, None) => {}
    }
}

fn compare_html(sent: &Parsed<'_>, received: &Parsed<'_>, found: &mut Vec<Difference>) {
    let (sent, received) = match (hypertext(sent), hypertext(received)) {
        (Some(sent), Some(received)) => (Html::read(&sent), Html::read(&received)),
        (Some(_), None) => return found.push(Difference::new(Change::PartDropped, "text/html", "")),
        (None, Some(_)) => return found.push(Difference::new(Change::PartAdded, "", "text/html")),
        (None, None) => return,
    };
    let before = found.len();
    compare_words(&sent.blocks, &received.blocks, found);
    compare_links(&sent, &received, found);
    compare_images(&sent, &received, found);
    if found.len() == before && sent.shape != received.shape {
        found.push(Difference::new(Change::MarkupChanged, "", ""));
    }
}

fn compare_words(sent: &[String], received: &[String], found: &mut Vec<Difference>) {
    let (missing, added) = unmatched(sent, received);
    found.extend(missing.into_iter().map(|words| Difference::new(Change::TextMissing, words, "")));
    found.extend(added.into_iter().map(|words| Difference::new(Change::TextAdded, "", words)));
}

/// A link keeps its words when it is led over another host: that is how it is found again.
fn compare_links(sent: &Html, received: &Html, found: &mut Vec<Difference>) {
    let (missing, mut added) = unmatched(&sent.links, &received.links);
    for link in missing {
        match added.iter().position(|other| other.words == link.words) {
            Some(at) => {
                let other = added.remove(at);
                found.push(Difference::new(Change::LinkRewritten, &link.target, &other.target));
            }
            None => found.push(Difference::new(Change::LinkMissing, &link.target, "")),
        }
    }
    found.extend(added.into_iter().map(|link| Difference::new(Change::LinkAdded, "", &link.target)));
}

fn compare_images(sent: &Html, received: &Html, found: &mut Vec<Difference>) {
    let (missing, added) = unmatched(&sent.images, &received.images);
    found.extend(missing.into_iter().map(|image| Difference::new(Change::ImageMissing, &image.source, "")));
    found.extend(added.into_iter().map(|image| {
        let change = if image.is_pixel { Change::PixelAdded } else { Change::ImageAdded };
        Difference::new(change, "", &image.source)
    }));
}

/// What only the first list has, and what only the second has; repeated items count each time.
fn unmatched<'a, T: Ord>(first: &'a [T], second: &'a [T]) -> (Vec<&'a T>, Vec<&'a T>) {
    let mut counts: BTreeMap<&T, usize> = BTreeMap::new();
    for item in second {
        *counts.entry(item).or_default() += 1;
    }
    let mut only_first = Vec::new();
    for item in first {
        match counts.get_mut(item).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => only_first.push(item),
        }
    }
    // The last ones of each kind are left over: a footer stands at the end.
    let mut only_second: Vec<&T> = Vec::new();
    for item in second.iter().rev() {
        if let Some(count) = counts.get_mut(item).filter(|count| **count > 0) {
            *count -= 1;
            only_second.push(item);
        }
    }
    only_second.reverse();
    (only_first, only_second)
}

/// The text part, when there is one of its own.
fn plain(message: &Parsed<'_>) -> Option<String> {
    message.parts.iter().filter(|part| !files::is_file(part)).find_map(|part| match &part.body {
        PartType::Text(text) => Some(text.to_string()),
        _ => None,
    })
}

fn hypertext(message: &Parsed<'_>) -> Option<String> {
    message.parts.iter().filter(|part| !files::is_file(part)).find_map(|part| match &part.body {
        PartType::Html(text) => Some(text.to_string()),
        _ => None,
    })
}

/// Paragraphs with single blanks: where lines are broken is no difference.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines() {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let last = paragraphs.last_mut().expect("there is always one");
        match (words.is_empty(), last.is_empty()) {
            (true, false) => paragraphs.push(String::new()),
            (true, true) => {}
            (false, true) => *last = words,
            (false, false) => {
                last.push(' ');
                last.push_str(&words);
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

impl Difference {
    /// A difference in substance, but for one of markup.
    fn new(change: Change, sent: impl AsRef<str>, received: impl AsRef<str>) -> Self {
        Self {
            change,
            in_substance: change != Change::MarkupChanged,
            sent: one_line(sent.as_ref()),
            received: one_line(received.as_ref()),
        }
    }

    /// One that no reader meets.
    fn aside(mut self) -> Self {
        self.in_substance = false;
        self
    }
}

#[cfg(test)]
mod tests;
