//! A release as a run keeps it: templates after Markdown, layout and CSS, and who signs.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, Value, context};

use super::identity::{Identity, PressContact};
use super::words::Words;
use super::{Assets, Release, ReleaseProblem, assets};

const HTML: &str = include_str!("layout/release.html");
const TEXT: &str = include_str!("layout/release.txt");

/// Everything that is needed to render a release later, without its files.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct FrozenRelease {
    /// SHA-256 over the source and the files, not over the identity.
    pub digest: [u8; 32],
    /// Names the release in runs.
    pub slug: String,
    /// `fr` or `en`.
    pub lang: String,
    /// As written.
    pub title: String,
    /// Not before this moment.
    pub embargo: Option<Timestamp>,
    /// Who signs.
    pub identity: Identity,
    /// The subject, as a template.
    pub subject: String,
    /// The HTML part, as a template.
    pub html: String,
    /// The text part, as a template; lines are broken after rendering.
    pub text: String,
    /// Words for contacts without a field.
    pub defaults: std::collections::BTreeMap<String, String>,
    /// The contact fields that the templates use.
    pub used_fields: std::collections::BTreeSet<String>,
    /// Names of the photos, in order; their Content-ID is made from it.
    pub images: Vec<String>,
    /// Where each photo is on the web, if anywhere; parallel to `images`.
    #[serde(default)]
    pub image_urls: Vec<Option<String>>,
    /// Names of the attachments, in order.
    pub attachments: Vec<String>,
}

impl Release {
    /// Freezes the release under the day of `now`, which is the dateline when it names none.
    ///
    /// # Errors
    ///
    /// Problems that only the layout shows.
    pub fn freeze(
        &self,
        identity: &Identity,
        files: &Assets,
        now: &jiff::ZonedDateTime,
    ) -> Result<FrozenRelease, Vec<ReleaseProblem>> {
        let html =
            self.lay_out(HTML, AutoEscape::Html, &self.tags.unwrap_blocks(&self.body.html), identity, now)?;
        // Media queries stay: narrow screens and dark mode need them.
        let inliner = css_inline::CSSInliner::options()
            .load_remote_stylesheets(false)
            .keep_style_tags(false)
            .keep_at_rules(true)
            .build();
        let html = inliner.inline(&html).map_err(|error| vec![layout_problem(&error.to_string())])?;
        let text = self.lay_out(TEXT, AutoEscape::None, &self.body.text, identity, now)?;
        Ok(FrozenRelease {
            digest: self.digest(files),
            slug: self.slug.clone(),
            lang: self.head.lang.clone(),
            title: self.head.title.to_string(),
            embargo: self.embargo.as_ref().map(jiff::ZonedDateTime::timestamp),
            identity: identity.clone(),
            subject: self.tags.put_back(&self.subject),
            html: self.tags.put_back(&html),
            text: self.tags.put_back(&text),
            defaults: self.head.defaults.clone(),
            used_fields: self.used_fields.clone(),
            images: files.images.iter().map(|(name, _)| name.clone()).collect(),
            image_urls: self.head.images.iter().map(|image| image.url.clone()).collect(),
            attachments: files.attachments.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// SHA-256 over the source and the files: what makes two releases the same.
    #[must_use]
    pub fn digest(&self, files: &Assets) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        let mut add = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(self.source.as_bytes());
        for (name, content) in files.images.iter().chain(&files.attachments) {
            add(name.as_bytes());
            add(content);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.finish().as_ref());
        digest
    }

    fn lay_out(
        &self,
        layout: &str,
        escape: AutoEscape,
        body: &str,
        identity: &Identity,
        now: &jiff::ZonedDateTime,
    ) -> Result<String, Vec<ReleaseProblem>> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(move |_| escape.clone());
        let template = environment.template_from_named_str("layout", layout);
        let words: Words = self.language.words();
        let images: Vec<_> =
            self.head.images.iter().enumerate().map(|(n, image)| image_context(n, image)).collect();
        let dateline = match self.head.date.as_deref() {
            None => self.language.day(now.date()),
            // A day in words stays as it was written.
            Some(date) => date.parse().map_or_else(|_| date.trim().to_owned(), |day| self.language.day(day)),
        };
        let values = context! {
            lang => self.head.lang.clone(),
            title => self.subject.clone(),
            subtitle => serialized(&self.head.subtitle),
            city => serialized(&self.head.city),
            dateline,
            embargo => self.embargo.as_ref().map(|until| self.language.embargo(until)),
            words => serialized(&words),
            body => body,
            images,
            organisation => serialized(&identity.organisation),
            contact => self.press_contact(identity),
            // The token is filled in for each recipient; see Renderer.
            opt_out_url => identity.unsubscribe.url.as_ref().map(|url| url.replace("{token}", TOKEN)),
            opt_out_reference => MESSAGE_REFERENCE,
            opt_out_mail => serialized(&identity.unsubscribe.mailto),
        };
        template
            .and_then(|template| template.render(values))
            .map_err(|e| vec![layout_problem(&e.to_string())])
    }

    fn press_contact(&self, identity: &Identity) -> Option<Value> {
        let own = self.head.contact.as_ref().map(|contact| {
            serialized(&PressContact {
                name: contact.name.clone(),
                address: contact.email.clone(),
                phone: contact.phone.clone(),
            })
        });
        let configured = || identity.press_contact.as_ref().map(serialized);
        own.or_else(configured)
    }
}

/// Stands for a recipient's opt-out token in the frozen templates.
pub(super) const TOKEN: &str = "depeche-opt-out-token";

/// Stands for a message's own reference in the `mailto:` of its footer: what List-Unsubscribe says there.
pub(super) const MESSAGE_REFERENCE: &str = "depeche-opt-out-message";

/// The Content-ID of the image of this number.
pub(super) fn content_id(number: usize) -> String {
    format!("photo{}@depeche", number + 1)
}

fn image_context(number: usize, image: &super::Image) -> Value {
    context! {
        cid => content_id(number),
        alt => image.alt.clone().unwrap_or_default(),
        caption => image.caption.clone(),
        credit => image.credit.clone(),
        hires => image.hires.clone(),
        file => image.file.clone(),
        media => assets::media_type(&image.file),
    }
}

fn serialized<T: serde::Serialize>(value: &T) -> Value {
    Value::from(minijinja::value::Serde(value))
}

fn layout_problem(reason: &str) -> ReleaseProblem {
    ReleaseProblem::new("layout", 1, 1, format!("the layout cannot be filled: {reason}"))
}
