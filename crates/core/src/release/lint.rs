//! Rules for a release, with stable ids.
//!
//! An error stops `send`; a warning is shown. The limits' sources stand beside them.

use bytes::Bytes;

use super::assets::MAX_ATTACHMENTS_BYTES;
use super::{Assets, Identity, Release};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Shown.
    Warn,
    /// Stops `send`.
    Error,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The rule; `depeche explain ID` tells more.
    pub id: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// Where, counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// Gmail cuts messages whose HTML is larger ("View entire message").
const MAX_HTML_BYTES: usize = 102_400;
/// Images and attachments together: base64 makes 20 MB of them (RFC 2045, section 6.8: 4 octets for 3), which
/// many receivers refuse.
const MAX_FILES_BYTES: u64 = 15_000_000;
/// Images together; more belongs behind a link.
const MANY_IMAGE_BYTES: u64 = 3_000_000;
/// Longer subjects are cut in most inboxes.
const MAX_SUBJECT_CHARS: usize = 110;

const RULES: [(&str, &str); 15] = [
    (
        "embargo-no-zone",
        "An embargo without a time zone means another hour to every reader. Write the zone by name: \
         `embargo: \"2026-12-03 08:00 Europe/Paris\"`. Hours that a clock change repeats or skips are refused.",
    ),
    (
        "embargo-text-differs",
        "The text speaks of an embargo that the front matter does not have, or has for another day. Journalists \
         go by what they read; depeche holds the release back by the front matter alone.",
    ),
    (
        "no-press-contact",
        "A journalist who cannot call anybody writes nothing. Fill [press_contact] in depeche.toml, or `contact:` \
         in the release.",
    ),
    (
        "image-no-alt",
        "Readers who do not see an image, and those whose mail program hides it, read its `alt` text.",
    ),
    (
        "html-too-large",
        "Gmail shows only the first 102 400 bytes of HTML and hides the rest behind a link, the opt-out included.",
    ),
    (
        "remote-asset",
        "An image, font or script from elsewhere is blocked by most mail programs, and tells its host who reads. \
         Put images into `images:`, and link to the rest.",
    ),
    (
        "no-opt-out",
        "Without a way to opt out, journalists press the spam button, and the law is broken (France: CPCE art. \
         L34-5). Fill [unsubscribe] in depeche.toml.",
    ),
    (
        "attachments-too-large",
        "Many receivers refuse messages of more than 20 MB, and base64 makes files a third larger. Link to large \
         files.",
    ),
    (
        "raw-html",
        "Raw HTML in a release is shown as text: mail programs differ too much for it. Use Markdown.",
    ),
    ("subject-too-long", "Most inboxes cut a subject after 60 to 110 characters. Put the news first."),
    ("subject-capitals", "A subject in capitals looks like spam, to filters and to people."),
    ("no-dateline", "A release begins with its place. Add `city:`."),
    (
        "attachment-as-image",
        "Large photos belong behind a link (`hires:`); inside they make every message heavy.",
    ),
    ("no-text", "A release without a text is a subject and nothing else. Write it below the front matter."),
    (
        "private-use",
        "The characters U+E000 and U+E001 have no meaning in a text; they came from a font or a copy.",
    ),
];

/// The ids of all rules.
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(id, _)| *id)
}

/// The long text of a rule.
#[must_use]
pub fn explain(id: &str) -> Option<&'static str> {
    RULES.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

impl Release {
    /// Checks the release against every rule.
    #[must_use]
    pub fn lint(&self, identity: &Identity, files: &Assets) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.lint_people(identity, &mut findings);
        self.lint_embargo(&mut findings);
        self.lint_subject(&mut findings);
        self.lint_body(files, &mut findings);
        findings
    }

    fn lint_people(&self, identity: &Identity, findings: &mut Vec<Finding>) {
        if identity.press_contact.is_none() && self.head.contact.is_none() {
            findings.push(error(
                "no-press-contact",
                None,
                "there is no press contact",
                "fill [press_contact]",
            ));
        }
        if identity.unsubscribe.mailto.is_none() && identity.unsubscribe.url.is_none() {
            findings.push(error(
                "no-opt-out",
                None,
                "there is no way to opt out",
                "fill [unsubscribe] mailto",
            ));
        }
        if self.head.city.is_none() {
            findings.push(warn(
                "no-dateline",
                Some(2),
                "there is no place in the dateline",
                "add `city: Paris`",
            ));
        }
    }

    fn lint_embargo(&self, findings: &mut Vec<Finding>) {
        let speaks = |line: &str| line.to_lowercase().contains("embargo");
        let Some(at) = self.markdown.lines().position(speaks) else { return };
        let line = Some(self.first_line + at);
        let text = self.markdown.lines().nth(at).unwrap_or_default().to_lowercase();
        let fix = "the banner is made from the front matter; take the sentence out of the text";
        match &self.embargo {
            None => {
                let message = "the text speaks of an embargo that the front matter does not have";
                findings.push(error("embargo-text-differs", line, message, fix));
            }
            Some(until) => {
                let day = self.language.day(until.date()).to_lowercase();
                let names_a_day = text.chars().any(|c| c.is_ascii_digit());
                let same = day.split_once(' ').is_some_and(|(_, date)| text.contains(date));
                if names_a_day && !same {
                    let message = format!("the text names another embargo than the front matter ({day})");
                    findings.push(error("embargo-text-differs", line, &message, fix));
                }
            }
        }
    }

    fn lint_subject(&self, findings: &mut Vec<Finding>) {
        let title = self.title();
        let length = title.chars().count();
        if length > MAX_SUBJECT_CHARS {
            let message = format!("the title has {length} characters");
            findings.push(warn(
                "subject-too-long",
                Some(2),
                &message,
                "shorten it; the subtitle takes the rest",
            ));
        }
        let letters: Vec<char> = title.chars().filter(|c| c.is_alphabetic()).collect();
        if letters.len() > 10 && letters.iter().all(|c| c.is_uppercase()) {
            findings.push(warn(
                "subject-capitals",
                Some(2),
                "the title is in capitals",
                "write it as a sentence",
            ));
        }
    }

    fn lint_body(&self, files: &Assets, findings: &mut Vec<Finding>) {
        let line_of = |at: usize| Some(self.first_line + self.markdown[..at].matches('\n').count());
        let mut told = None;
        for at in &self.body.raw_html {
            // A tag and its end on one line are one slip.
            if told.replace(line_of(*at)) == Some(line_of(*at)) {
                continue;
            }
            findings.push(error("raw-html", line_of(*at), "raw HTML is shown as text", "use Markdown"));
        }
        for (at, target) in &self.body.images {
            let message = format!("the image `{target}` is not part of the release");
            findings.push(error(
                "remote-asset",
                line_of(*at),
                &message,
                "name it under `images:` in the front matter",
            ));
        }
        for image in &self.head.images {
            if image.alt.as_deref().is_none_or(|alt| alt.trim().is_empty()) {
                let message = format!("`{}` has no alt text", image.file);
                findings.push(error("image-no-alt", Some(self.line_of(&image.file)), &message, "add `alt:`"));
            }
        }
        lint_files(files, findings);
        if self.markdown.trim().is_empty() {
            let (message, fix) = ("there is no text", "write it below the second `---`");
            findings.push(error("no-text", Some(self.first_line), message, fix));
        }
        if self.body.html.len() + 12_000 > MAX_HTML_BYTES {
            let message = format!("the HTML has more than {MAX_HTML_BYTES} bytes with its layout");
            findings.push(error("html-too-large", None, &message, "shorten the text, or link to the rest"));
        }
    }
}

fn lint_files(files: &Assets, findings: &mut Vec<Finding>) {
    let sum = |files: &[(String, Bytes)]| files.iter().map(|(_, content)| content.len() as u64).sum();
    let (attached, images): (u64, u64) = (sum(&files.attachments), sum(&files.images));
    let together = attached + images;
    if attached > MAX_ATTACHMENTS_BYTES {
        let message = format!("the attachments have {attached} octets");
        findings.push(error("attachments-too-large", None, &message, "link to the files"));
    } else if together > MAX_FILES_BYTES {
        let message = format!("images and attachments have {together} octets together");
        findings.push(error("attachments-too-large", None, &message, "link to the files"));
    } else if images > MANY_IMAGE_BYTES {
        let message = format!("the images have {images} octets together");
        findings.push(warn(
            "attachment-as-image",
            None,
            &message,
            "make them smaller, and link to the large ones",
        ));
    }
}

fn error(id: &'static str, line: Option<usize>, message: &str, fix: &str) -> Finding {
    Finding { id, severity: Severity::Error, line, message: message.to_owned(), fix: fix.to_owned() }
}

fn warn(id: &'static str, line: Option<usize>, message: &str, fix: &str) -> Finding {
    Finding { id, severity: Severity::Warn, line, message: message.to_owned(), fix: fix.to_owned() }
}
