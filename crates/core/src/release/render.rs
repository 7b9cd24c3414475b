//! Renders a frozen release for one contact.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::ZonedDateTime;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::assets::attachment;
use super::freeze::{FrozenRelease, MESSAGE_REFERENCE, TOKEN, content_id};
use super::merge::{Merge, MergeForm};
use super::wrap::Wrapper;
use crate::address::{EmailAddress, Mailbox};
use crate::clock::Entropy;
use crate::contact::Fields;
use crate::engine::{Needs, Render, RenderRefused};
use crate::journal::DeliveryRecord;
use crate::message::build::Parts;
use crate::message::{Attachment, InlineImage, Message, MessageId, Unsubscribe, reference_in_url};
use crate::opt_out::{DeliveryReference, SignedLinks};
use crate::text::{HeaderText, first_unsafe};

/// Steps that one rendering may take: a template of a stranger must end.
const FUEL: u64 = 200_000;

/// Why a frozen release cannot be rendered at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A template that froze cannot be read back.
    #[error("the frozen template `{name}` cannot be read: {reason}")]
    Template {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// A file that the release names is not in the journal.
    #[error("the file `{0}` of the release is missing")]
    FileMissing(String),
}

/// Makes the messages of a run: the same bytes for the same contact, every time.
pub struct Renderer {
    environment: Environment<'static>,
    release: FrozenRelease,
    date: ZonedDateTime,
    attachments: Arc<[Attachment]>,
    images: Arc<[InlineImage]>,
    wrapper: Wrapper,
    is_test: bool,
    /// The release as a campaign, when one may be sent.
    form: Option<Arc<MergeForm>>,
    links: Option<SignedLinks>,
}

/// The environment of every template: undefined names are errors, but for `{% if … %}`.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment
        .set_auto_escape_callback(|name| if name == "html" { AutoEscape::Html } else { AutoEscape::None });
    environment
}

impl Renderer {
    /// Prepares a frozen release. `files` are its images and attachments by name; `date` is the moment
    /// of the run, which every message carries.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when what was frozen is not usable.
    pub fn new(
        release: &FrozenRelease,
        files: Vec<(String, Bytes)>,
        date: ZonedDateTime,
    ) -> Result<Self, RenderError> {
        let mut environment = environment();
        let templates = [("subject", &release.subject), ("html", &release.html), ("text", &release.text)];
        for (name, source) in templates {
            environment
                .add_template_owned(name, source.clone())
                .map_err(|error| RenderError::Template { name, reason: error.to_string() })?;
        }
        let files: BTreeMap<String, Bytes> = files.into_iter().collect();
        let take = |name: &String| {
            let content = files.get(name).and_then(|content| attachment(name, content));
            content.ok_or_else(|| RenderError::FileMissing(name.clone()))
        };
        let attachments: Vec<Attachment> = release.attachments.iter().map(take).collect::<Result<_, _>>()?;
        let images = release.images.iter().enumerate().map(|(number, name)| {
            let url = release.image_urls.get(number).cloned().flatten();
            Ok(InlineImage { content_id: content_id(number), file: take(name)?, url })
        });
        let images: Vec<InlineImage> = images.collect::<Result<_, RenderError>>()?;
        Ok(Self {
            environment,
            release: release.clone(),
            date,
            attachments: attachments.into(),
            images: images.into(),
            wrapper: Wrapper::new(&release.text),
            is_test: false,
            form: None,
            links: None,
        })
    }

    /// The same, with the subject marked `[TEST]`.
    #[must_use]
    pub fn marked_test(mut self) -> Self {
        self.is_test = true;
        self
    }

    /// The same, with each message's part in a campaign ([`FrozenRelease::merge_form`]).
    #[must_use]
    pub fn with_merge_form(mut self, form: MergeForm) -> Self {
        self.form = Some(Arc::new(form));
        self
    }

    /// The values of a campaign's tags for one contact.
    fn merge(&self, form: &Arc<MergeForm>, contact: &minijinja::Value) -> Result<Merge, RenderRefused> {
        let missing = || refused("a field that the release uses is missing");
        let value = |expression: &String| {
            let source = format!("{{{{ {expression} }}}}");
            self.environment.render_named_str("value", &source, contact).map_err(|_| missing())
        };
        let values = form.expressions.iter().map(value).collect::<Result<_, _>>()?;
        let mut form = Arc::clone(form);
        if self.is_test {
            let subject = format!("[TEST] {}", form.subject);
            form = Arc::new(MergeForm { subject, ..(*form).clone() });
        }
        Ok(Merge { form, values })
    }

    /// The same, with a signed token in place of `{token}` in opt-out links. Without it the bare
    /// [`DeliveryReference`] stands there.
    #[must_use]
    pub fn with_links(mut self, links: SignedLinks) -> Self {
        self.links = Some(links);
        self
    }

    fn token_of(&self, message_id: &MessageId) -> String {
        match &self.links {
            Some(links) => links.token(message_id).to_string(),
            None => DeliveryReference::of(message_id).to_string(),
        }
    }

    /// Renders one message.
    ///
    /// # Errors
    ///
    /// [`RenderRefused`]: a field is missing, or holds what a header must not.
    pub fn message(
        &self,
        to: &EmailAddress,
        fields: &Fields,
        message_id: &MessageId,
    ) -> Result<Message, RenderRefused> {
        self.refuse_control_characters(fields)?;
        let identity = &self.release.identity;
        let token = self.token_of(message_id);
        let contact = context! { contact => with_defaults(fields, &self.release.defaults) };
        let subject = self.fill("subject", &contact)?;
        let subject = if self.is_test { format!("[TEST] {subject}") } else { subject };
        let parts = Parts {
            from: identity.from.clone(),
            to: Mailbox { name: display_name(fields), address: to.clone() },
            reply_to: identity.reply_to.clone().map(Mailbox::bare),
            subject: HeaderText::new(subject.trim()).map_err(|error| refused(format!("subject: {error}")))?,
            date: self.date.clone(),
            message_id: message_id.clone(),
            lang: self.release.lang.clone(),
            unsubscribe: Unsubscribe {
                mailto: identity.unsubscribe.mailto.clone(),
                url: identity
                    .unsubscribe
                    .url
                    .as_ref()
                    .filter(|url| url.contains("{token}"))
                    .map(|url| url.replace("{token}", &token)),
            },
            html: to_crlf(&with(
                MESSAGE_REFERENCE,
                with(TOKEN, self.fill("html", &contact)?, &token),
                &reference_in_url(message_id),
            )),
            text: to_crlf(&self.wrapper.wrap(&with(TOKEN, self.fill("text", &contact)?, &token))),
            attachments: Arc::clone(&self.attachments),
            images: Arc::clone(&self.images),
        };
        let mut message = parts.build().map_err(|error| refused(error.to_string()))?;
        if let Some(form) = &self.form {
            message.merge = Some(Arc::new(self.merge(form, &contact)?));
        }
        Ok(message)
    }

    /// Line breaks in columns that the release does not use are fine; in those that it uses, nothing is
    /// silently mended.
    fn refuse_control_characters(&self, fields: &Fields) -> Result<(), RenderRefused> {
        for name in &self.release.used_fields {
            if let Some(found) = fields.get(name).and_then(|value| first_unsafe(value)) {
                return Err(refused(format!("the field `{name}`: {found}")));
            }
        }
        Ok(())
    }

    fn fill(&self, name: &'static str, contact: &minijinja::Value) -> Result<String, RenderRefused> {
        let template = self.environment.get_template(name).map_err(|error| refused(error.to_string()))?;
        template.render(contact).map_err(|error| refused(why_unfilled(&error)))
    }
}

/// Never the template's or the contact's text: only what kind of error it was.
pub(super) fn why_unfilled(error: &minijinja::Error) -> String {
    match error.kind() {
        minijinja::ErrorKind::UndefinedError => "a field that the release uses is missing".to_owned(),
        minijinja::ErrorKind::OutOfFuel => "the template does not come to an end".to_owned(),
        kind => format!("the template cannot be filled ({kind})"),
    }
}

impl Render for Renderer {
    fn needs(&self) -> Needs {
        let files = self.attachments.iter().chain(self.images.iter().map(|image| &image.file));
        let encoded: u64 = files.map(|file| file.encoded.len() as u64).sum();
        Needs {
            inline_images: self.images.iter().any(|image| image.url.is_none()),
            attachments: !self.attachments.is_empty(),
            // Quoted-printable may triple the text; 8 kB are headers and boundaries.
            size_bytes: encoded + 3 * (self.release.html.len() + self.release.text.len()) as u64 + 8_192,
        }
    }

    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused> {
        self.message(&delivery.address, &delivery.fields, &delivery.message_id)
    }
}

/// A Message-ID on the sender's own domain (RFC 5322, section 3.6.4).
#[must_use]
pub fn new_message_id(entropy: &dyn Entropy, domain: &str) -> MessageId {
    let id = format!("<{}@{domain}>", entropy.uuid().simple());
    MessageId::new(&id).expect("a checked domain and hexadecimal digits make a Message-ID")
}

/// The contact as templates see it: empty fields are missing, and have the release's default.
pub(super) fn with_defaults(
    fields: &Fields,
    defaults: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let full = fields.iter().filter(|(_, value)| !value.trim().is_empty());
    let mut contact = defaults.clone();
    contact.extend(full.map(|(name, value)| (name.clone(), value.clone())));
    contact
}

fn display_name(fields: &Fields) -> Option<HeaderText> {
    let part = |name: &str| fields.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let name: Vec<&str> = [part("first_name"), part("last_name")].into_iter().flatten().collect();
    // A name that a header must not carry is left out; the address is what counts.
    HeaderText::new(name.join(" ")).ok().filter(|name| !name.is_blank())
}

/// The text with the recipient's own token; a release without an opt-out page has none.
fn with(stand_in: &str, text: String, value: &str) -> String {
    match memchr::memmem::find(text.as_bytes(), stand_in.as_bytes()) {
        Some(_) => text.replace(stand_in, value),
        None => text,
    }
}

/// CRLF line ends, and no control character that mail must not carry.
fn to_crlf(text: &str) -> String {
    if has_control(text) {
        let clean = text.replace("\r\n", "\n").replace('\r', "\n");
        let clean: String = clean.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        return end_lines(&clean);
    }
    end_lines(text)
}

/// A control character but for LF and TAB: C0, DEL, or what may be a C1 (U+0080 to U+009F).
fn has_control(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().any(|b| (*b < 0x20 && !matches!(b, b'\n' | b'\t')) || *b == 0x7f)
        || memchr::memchr_iter(0xC2, bytes).any(|at| bytes.get(at + 1).is_some_and(|next| *next < 0xA0))
}

fn end_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16 + 2);
    for line in text.trim_end().split('\n') {
        out.push_str(line.trim_end());
        out.push_str("\r\n");
    }
    out
}

fn refused(reason: impl Into<String>) -> RenderRefused {
    RenderRefused { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_go_and_line_ends_become_crlf() {
        for (text, expected) in [
            ("a\nb", "a\r\nb\r\n"),
            ("a \t\r\nb\rc\n\n", "a\r\nb\r\nc\r\n"),
            ("a\u{7f}\u{85}\u{0}b\u{a0}c", "ab\u{a0}c\r\n"),
            ("", "\r\n"),
        ] {
            assert_eq!(to_crlf(text), expected, "{text:?}");
        }
    }

    proptest! {
        /// The quick way and the thorough way agree.
        #[test]
        fn a_text_without_control_characters_needs_no_cleaning(text in "[a-é \u{80}-\u{a1}\n\r\t.]{0,40}") {
            let clean = text.replace("\r\n", "\n").replace('\r', "\n");
            let clean: String = clean.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
            prop_assert_eq!(to_crlf(&text), end_lines(&clean));
        }
    }
}
