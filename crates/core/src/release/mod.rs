//! Releases: what is said, and how it looks.
//!
//! A release is Markdown with YAML front matter. It is read once, with every problem and its line;
//! frozen once, into templates that need no file any more ([`FrozenRelease`]); and rendered for each
//! contact from those. A contact's field can never become markup, Markdown or a template: it meets
//! only the last step, escaped.

mod assets;
mod freeze;
mod front_matter;
pub mod identity;
mod lint;
mod markdown;
mod merge;
mod missing;
mod preview;
mod render;
mod tags;
mod words;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};

use jiff::ZonedDateTime;

pub use assets::{Assets, MAX_ATTACHMENTS_BYTES, MAX_IMAGE_BYTES};
pub use freeze::FrozenRelease;
pub use front_matter::{ContactPerson, FrontMatter, Image};
pub use identity::Identity;
pub use lint::{Finding, Severity, explain, rules};
pub use merge::{Merge, MergeForm, NotMergeable, merge_tag};
pub use missing::{MissingField, MissingFields, Unfilled};
pub use preview::preview;
pub use render::{RenderError, Renderer, new_message_id};

use self::markdown::Body;
use self::tags::{Tags, Unclosed};
use self::words::Language;

/// A release, read.
#[derive(Debug, Clone)]
pub struct Release {
    source: String,
    head: FrontMatter,
    slug: String,
    language: Language,
    embargo: Option<ZonedDateTime>,
    tags: Tags,
    subject: String,
    body: Body,
    /// The Markdown without its tags, and the line on which it begins.
    markdown: String,
    first_line: usize,
    used_fields: BTreeSet<String>,
}

/// Something in a release that stops it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ReleaseProblem {
    /// Stable.
    pub code: &'static str,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// An address of the web without blanks.
fn is_https(url: &str) -> bool {
    url.strip_prefix("https://")
        .is_some_and(|rest| rest.len() > 2 && rest.chars().all(|c| c.is_ascii_graphic()))
}

impl ReleaseProblem {
    fn new(code: &'static str, line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { code, line, column, message: message.into(), hint: None }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }
}

/// A moment as people write it: `2026-12-03 08:00 Europe/Paris`, like an embargo. `None` when it names no
/// known zone, or an hour that happens twice or never there.
#[must_use]
pub fn moment(text: &str) -> Option<jiff::Timestamp> {
    front_matter::embargo(text, "").ok().map(|moment| moment.timestamp())
}

impl Release {
    /// Reads a release.
    ///
    /// # Errors
    ///
    /// Every problem that stops it, with its line.
    pub fn parse(source: &str) -> Result<Self, Vec<ReleaseProblem>> {
        let (release, problems) = Self::read(source)?;
        if problems.is_empty() { Ok(release) } else { Err(problems) }
    }

    /// Reads a release that may be no more than looked at when it has problems: so the rules can be asked
    /// about all the rest, and every slip of the file is shown at once.
    ///
    /// # Errors
    ///
    /// The front matter cannot be read: nothing else can be said then.
    pub fn read(source: &str) -> Result<(Self, Vec<ReleaseProblem>), Vec<ReleaseProblem>> {
        let (head_text, body_text, first_line) =
            front_matter::cut(source).map_err(|problem| vec![problem])?;
        let head = front_matter::read(head_text).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        if Tags::stand_in(source) {
            problems.push(ReleaseProblem::new(
                "private-use",
                1,
                1,
                "the characters U+E000 and U+E001 are refused",
            ));
        }
        let language = Language::of(&head.lang).unwrap_or_else(|| {
            let line = 2 + head_text.lines().position(|line| line.starts_with("lang")).unwrap_or(0);
            let message = format!("there is no layout for the language `{}`", head.lang);
            problems.push(
                ReleaseProblem::new("lang", line, 1, message).with_hint("use `lang: fr` or `lang: en`"),
            );
            Language::French
        });
        if let Some(date) = &head.date {
            problems.extend(front_matter::date(date, head_text).err());
        }
        let embargo = head.embargo.as_deref().map(|text| front_matter::embargo(text, head_text));
        let embargo = embargo.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let mut tags = Tags::default();
        let unclosed = |Unclosed(at): Unclosed| {
            let line = first_line + body_text[..at].matches('\n').count();
            ReleaseProblem::new("template", line, 1, "a template tag opens here and is not closed")
        };
        let markdown = tags.take_out(body_text).unwrap_or_else(|error| {
            problems.push(unclosed(error));
            String::new()
        });
        let body = markdown::read(&markdown);
        for (at, target) in body.links.iter().chain(&body.images) {
            if Tags::stand_in(target) {
                let line = first_line + markdown[..*at].matches('\n').count();
                let message = "a link cannot be personalised";
                problems.push(ReleaseProblem::new("template", line, 1, message));
            }
        }
        for image in head.images.iter().filter(|image| image.url.as_ref().is_some_and(|url| !is_https(url))) {
            let url = image.url.as_deref().unwrap_or_default();
            let is_its = |line: &str| line.trim_start().starts_with("url") && line.contains(url);
            let line = 2 + head_text.lines().position(is_its).unwrap_or(0);
            let message = format!("the image's url `{url}` does not begin with https://");
            problems.push(ReleaseProblem::new("release.image-url", line, 1, message));
        }
        let subject = tags.take_out(head.title.as_str()).unwrap_or_else(|_| {
            problems.push(ReleaseProblem::new("template", 2, 1, "a template tag in the title is not closed"));
            String::new()
        });
        let slug = head.slug.clone().unwrap_or_else(|| front_matter::slug_of(head.title.as_str()));
        if slug.is_empty() || !slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            let message = format!("the slug `{slug}` is not made of a-z, 0-9 and -");
            problems.push(ReleaseProblem::new("slug", 2, 1, message));
        }
        let mut release = Self {
            source: source.to_owned(),
            slug,
            language,
            embargo,
            tags,
            subject,
            body,
            markdown,
            first_line,
            used_fields: BTreeSet::new(),
            head,
        };
        if problems.is_empty() {
            match release.find_fields() {
                Ok(fields) => release.used_fields = fields,
                Err(problem) => problems.push(problem),
            }
        }
        Ok((release, problems))
    }

    /// The title as written.
    #[must_use]
    pub fn title(&self) -> &str {
        self.head.title.as_str()
    }

    /// Names the release in runs.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// `fr` or `en`.
    #[must_use]
    pub fn lang(&self) -> &str {
        &self.head.lang
    }

    /// Not before this moment.
    #[must_use]
    pub fn embargo(&self) -> Option<&ZonedDateTime> {
        self.embargo.as_ref()
    }

    /// The contact fields that it uses anywhere: `first_name`, `outlet` …
    #[must_use]
    pub fn used_fields(&self) -> BTreeSet<String> {
        self.used_fields.clone()
    }

    /// Its front matter.
    #[must_use]
    pub fn head(&self) -> &FrontMatter {
        &self.head
    }

    fn find_fields(&self) -> Result<BTreeSet<String>, ReleaseProblem> {
        let environment = render::environment();
        let mut fields = BTreeSet::new();
        for source in [self.tags.put_back(&self.subject), self.tags.put_back(&self.markdown)] {
            let template = environment.template_from_str(&source).map_err(|error| {
                let line = self.first_line + error.line().unwrap_or(1) - 1;
                let what = error.detail().unwrap_or("it cannot be read").to_owned();
                ReleaseProblem::new("template", line, 1, format!("the template is wrong: {what}"))
            })?;
            self.knows_its_tools(&template)?;
            for name in template.undeclared_variables(true) {
                match name.strip_prefix("contact.") {
                    Some(field) => {
                        fields.insert(field.split('.').next().unwrap_or(field).to_owned());
                    }
                    None if name == "contact" => {}
                    None => return Err(self.unknown_name(&name)),
                }
            }
        }
        Ok(fields)
    }

    /// A filter, test or function that does not exist is found only when a template is filled: once with
    /// every field filled, once with none. What else may go wrong there belongs to a contact.
    fn knows_its_tools(&self, template: &minijinja::Template<'_, '_>) -> Result<(), ReleaseProblem> {
        use minijinja::ErrorKind::{
            MissingArgument, TemplateNotFound, TooManyArguments, UnknownFilter, UnknownFunction,
            UnknownMethod, UnknownTest,
        };

        let fields = template.undeclared_variables(true);
        let fields: BTreeSet<&str> = fields.iter().filter_map(|name| name.strip_prefix("contact.")).collect();
        for value in ["x", ""] {
            let contact: BTreeMap<&str, &str> = fields.iter().map(|field| (*field, value)).collect();
            let Err(error) = template.render(minijinja::context! { contact }) else { continue };
            let is_unknown =
                matches!(error.kind(), UnknownFilter | UnknownTest | UnknownFunction | UnknownMethod);
            let is_misused = matches!(error.kind(), MissingArgument | TooManyArguments | TemplateNotFound);
            if is_unknown || is_misused {
                let line = self.first_line + error.line().unwrap_or(1) - 1;
                let kind = error.kind().to_string();
                // What is not known is named; of the rest the kind says more than the engine's own words.
                let what = error.detail().filter(|_| is_unknown).unwrap_or(&kind);
                return Err(ReleaseProblem::new(
                    "template",
                    line,
                    1,
                    format!("the template is wrong: {what}"),
                ));
            }
        }
        Ok(())
    }

    fn unknown_name(&self, name: &str) -> ReleaseProblem {
        let line = self.line_of(name);
        ReleaseProblem::new("template", line, 1, format!("`{name}` is not known here"))
            .with_hint(format!("contact fields are written `{{{{ contact.{name} }}}}`"))
    }

    /// The first line of the file that holds `text`.
    fn line_of(&self, text: &str) -> usize {
        1 + self.source.lines().position(|line| line.contains(text)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
