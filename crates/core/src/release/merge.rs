//! A release with merge tags in place of contact fields, for a campaign that the provider itself fills
//! in for each of its members.
//!
//! Each expression of the templates (`{{ contact.first_name | default("…") }}`) becomes one tag, and is
//! worked out here for each recipient: what the provider fills in is what every other provider sends.
//! What no tag can say (`{% if … %}`, `{% for … %}`), a file inside the message, and text that the
//! provider would take for a tag of its own are refused, with the reason.
//!
//! # Not covered
//!
//! Which address is opted out, and when: the opt-out link is the provider's own (`*|UNSUB|*`).

use minijinja::{Environment, context};

use super::freeze::{FrozenRelease, MESSAGE_REFERENCE, TOKEN, content_id};
use super::render::environment;
use super::wrap::Wrapper;

/// A release as a campaign: one text for all, with tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeForm {
    /// The subject.
    pub subject: String,
    /// The HTML part, its images linked to.
    pub html: String,
    /// The text part, lines of 72 columns before the tags are filled in.
    pub text: String,
    /// The expression behind each tag, in the order of the tags.
    pub expressions: Vec<String>,
}

/// A campaign, and what one recipient's tags stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The same for all recipients of a run.
    pub form: std::sync::Arc<MergeForm>,
    /// The value of each tag, in order; plain text.
    pub values: Vec<String>,
}

/// Why a release cannot be a campaign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotMergeable {
    /// A decision or a loop.
    #[error("`{0}` cannot be said with merge tags")]
    Statement(String),
    /// An expression that cannot be read, or that brings markup of its own.
    #[error("`{0}` cannot be a merge tag")]
    Expression(String),
    /// The text would be taken for a tag.
    #[error("the text holds `*|`, which begins a merge tag")]
    Marker,
    /// More tags than an audience takes.
    #[error("the release uses {0} expressions; a campaign takes {MOST_TAGS}")]
    TooMany(usize),
    /// A photo that is only inside the message.
    #[error("the image {0} has no `url` to be linked to")]
    Image(String),
    /// A file: a campaign carries none.
    #[error("a campaign carries no attachment ({0}); link to it")]
    Attachment(String),
    /// There is no link to put the provider's own in place of.
    #[error("there is no opt-out to put the campaign's own in place of")]
    NoOptOut,
}

/// An audience has room for 30 fields, some of which are its own.
const MOST_TAGS: usize = 20;
/// The campaign's own opt-out link.
const OPT_OUT: &str = "*|UNSUB|*";

/// The name of the tag of this number (from 0): at most 10 characters, Mailchimp's bound.
#[must_use]
pub fn merge_tag(number: usize) -> String {
    format!("DEPECHE{}", number + 1)
}

impl FrozenRelease {
    /// The release as a campaign.
    ///
    /// # Errors
    ///
    /// [`NotMergeable`] with the first thing that no campaign can say.
    pub fn merge_form(&self) -> Result<MergeForm, NotMergeable> {
        if let Some(name) = self.attachments.first() {
            return Err(NotMergeable::Attachment(name.clone()));
        }
        let mut tags = Tagged { environment: environment(), expressions: Vec::new() };
        let subject = tags.fill("subject", &self.subject)?;
        let html = self.linked(tags.fill("html", &self.html)?)?;
        let text = tags.fill("text", &self.text)?;
        if tags.expressions.len() > MOST_TAGS {
            return Err(NotMergeable::TooMany(tags.expressions.len()));
        }
        let html = self.opt_out_of_html(html).ok_or(NotMergeable::NoOptOut)?;
        let text = self.opt_out_of_text(text).ok_or(NotMergeable::NoOptOut)?;
        let text = Wrapper::new(&text).wrap(&text);
        Ok(MergeForm { subject: subject.trim().to_owned(), html, text, expressions: tags.expressions })
    }

    fn linked(&self, mut html: String) -> Result<String, NotMergeable> {
        for (number, name) in self.images.iter().enumerate() {
            let url = self.image_urls.get(number).and_then(Option::as_ref);
            let url = url.ok_or_else(|| NotMergeable::Image(name.clone()))?;
            let url = url.replace('&', "&amp;").replace('"', "&quot;");
            html = html.replace(&format!("\"cid:{}\"", content_id(number)), &format!("\"{url}\""));
        }
        Ok(html)
    }

    /// The link of the footer leads to the campaign's own opt-out.
    fn opt_out_of_html(&self, html: String) -> Option<String> {
        let unsubscribe = &self.identity.unsubscribe;
        let own = format!("href=\"{OPT_OUT}\"");
        let replaced = match (&unsubscribe.url, &unsubscribe.mailto) {
            (Some(url), _) if url.contains("{token}") => {
                let at = html.rfind(TOKEN)?;
                let start = html[..at].rfind("href=\"")?;
                let end = at + html[at..].find('"')? + 1;
                format!("{}{own}{}", &html[..start], &html[end..])
            }
            (Some(url), _) => html.replace(&format!("href=\"{}\"", url.replace('&', "&amp;")), &own),
            (None, Some(mailto)) => {
                let link = |subject: &str| format!("href=\"mailto:{mailto}?subject={subject}\"");
                // A run frozen by an earlier version has the bare word.
                let html = html.replace(&link(&format!("STOP%20{MESSAGE_REFERENCE}")), &own);
                html.replace(&link("STOP"), &own)
            }
            (None, None) => return None,
        };
        replaced.contains(&own).then_some(replaced)
    }

    fn opt_out_of_text(&self, text: String) -> Option<String> {
        let unsubscribe = &self.identity.unsubscribe;
        let target = match (&unsubscribe.url, &unsubscribe.mailto) {
            (Some(url), _) => url.replace("{token}", TOKEN),
            (None, Some(mailto)) => mailto.to_string(),
            (None, None) => return None,
        };
        // The footer stands last.
        let at = text.rfind(&target)?;
        Some(format!("{}{OPT_OUT}{}", &text[..at], &text[at + target.len()..]))
    }
}

/// Templates on their way to tags.
struct Tagged {
    environment: Environment<'static>,
    expressions: Vec<String>,
}

impl Tagged {
    /// `source` with each expression over a contact as a tag. `name` decides whether what is fixed is
    /// escaped for HTML.
    fn fill(&mut self, name: &str, source: &str) -> Result<String, NotMergeable> {
        let mut out = String::with_capacity(source.len());
        let mut rest = source;
        while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
            out.push_str(&rest[..at]);
            let close = if rest[at..].starts_with("{%") { "%}" } else { "}}" };
            let whole = || rest[at..].chars().take(60).collect::<String>();
            let end = rest[at..].find(close).ok_or_else(|| NotMergeable::Expression(whole()))?;
            let tag = &rest[at..at + end + 2];
            if close == "%}" {
                return Err(NotMergeable::Statement(tag.to_owned()));
            }
            let filled = self.expression(name, tag, tag[2..end].trim_matches(['-', '+']).trim())?;
            // Only our own tags may look like one.
            out.push_str(&filled);
            rest = &rest[at + end + 2..];
        }
        out.push_str(rest);
        let own = (0..self.expressions.len()).map(|number| format!("*|{}|*", merge_tag(number)));
        let without = own.fold(out.clone(), |text, tag| text.replace(&tag, ""));
        if without.contains("*|") { Err(NotMergeable::Marker) } else { Ok(out) }
    }

    fn expression(&mut self, name: &str, tag: &str, source: &str) -> Result<String, NotMergeable> {
        let unreadable = || NotMergeable::Expression(tag.to_owned());
        let compiled = self.environment.compile_expression(source).map_err(|_| unreadable())?;
        if compiled.undeclared_variables(false).is_empty() {
            let fixed = self.environment.render_named_str(name, tag, context! {});
            return fixed.map_err(|_| unreadable());
        }
        // Mailchimp fills a tag in as text; markup of an expression would arrive as such.
        if source.split('|').skip(1).any(|filter| filter.trim_start().starts_with("safe")) {
            return Err(unreadable());
        }
        let known = self.expressions.iter().position(|known| known == source);
        let number = known.unwrap_or_else(|| {
            self.expressions.push(source.to_owned());
            self.expressions.len() - 1
        });
        Ok(format!("*|{}|*", merge_tag(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Assets, Identity, Release};
    use super::*;

    fn frozen(body: &str) -> FrozenRelease {
        frozen_with(body, Identity::example())
    }

    fn frozen_with(body: &str, identity: Identity) -> FrozenRelease {
        let source =
            format!("---\ntitle: \"L’usine rouvre, {{{{ contact.outlet }}}}\"\nlang: fr\n---\n{body}");
        let now = "2026-12-03T08:00:00+01:00[Europe/Paris]".parse().unwrap();
        Release::parse(&source).unwrap().freeze(&identity, &Assets::empty(), &now).unwrap()
    }

    #[test]
    fn each_expression_becomes_one_tag_wherever_it_stands() {
        let body = "Bonjour {{ contact.first_name | default(\"à vous\") }} de {{ contact.outlet }}, à {{ contact.outlet }} : 5 < 6 {\n";

        let form = frozen(body).merge_form().unwrap();

        assert_eq!(form.expressions, ["contact.outlet", "contact.first_name | default(\"à vous\")"]);
        assert_eq!(form.subject, "L’usine rouvre, *|DEPECHE1|*");
        let words = "Bonjour *|DEPECHE2|* de *|DEPECHE1|*, à *|DEPECHE1|* : 5 &lt; 6 {";
        assert!(form.html.contains(words), "{}", form.html);
        assert!(form.text.contains("Bonjour *|DEPECHE2|* de *|DEPECHE1|*"), "{}", form.text);
        assert!(form.html.contains("href=\"*|UNSUB|*\"") && form.text.contains("*|UNSUB|*"));
        assert!(!form.html.contains("{{") && !form.text.contains("{{"));
    }

    #[test]
    fn what_tags_cannot_say_is_refused_with_the_reason() {
        let refused = |body: &str| frozen(body).merge_form().unwrap_err();

        let statement = refused("{% if contact.region %}Isère{% endif %}\n");
        assert_eq!(statement.to_string(), "`{% if contact.region %}` cannot be said with merge tags");
        assert_eq!(refused("5 \\*|X|\\* 6\n"), NotMergeable::Marker);
        assert!(matches!(refused("{{ contact.notes | safe }}\n"), NotMergeable::Expression(_)));
        let many: String = (0..21).map(|n| format!("{{{{ contact.f{n} }}}}\n")).collect();
        assert_eq!(refused(&many), NotMergeable::TooMany(22));
        let mut silent = Identity::example();
        silent.unsubscribe = super::super::identity::UnsubscribeIdentity::default();
        assert_eq!(frozen_with("x\n", silent).merge_form(), Err(NotMergeable::NoOptOut));
    }

    #[test]
    fn files_are_linked_or_refused() {
        let mut release = frozen("x\n");
        release.attachments = vec!["a.pdf".to_owned()];
        assert_eq!(release.merge_form(), Err(NotMergeable::Attachment("a.pdf".to_owned())));
        release.attachments.clear();
        release.images = vec!["a.jpg".to_owned()];
        assert_eq!(release.merge_form(), Err(NotMergeable::Image("a.jpg".to_owned())));
        release.image_urls = vec![Some("https://presse.exemple.fr/a.jpg?b=1&c=2".to_owned())];
        release.html = release.html.replace("</body>", "<img src=\"cid:photo1@depeche\"></body>");

        let form = release.merge_form().unwrap();

        assert!(form.html.contains("<img src=\"https://presse.exemple.fr/a.jpg?b=1&amp;c=2\">"));
    }

    #[test]
    fn a_one_click_link_gives_way_to_the_campaigns_own() {
        let mut identity = Identity::example();
        identity.unsubscribe.url = Some("https://presse.exemple.fr/stop/{token}".to_owned());

        let form = frozen_with("x\n", identity).merge_form().unwrap();

        assert!(form.html.contains("href=\"*|UNSUB|*\"") && !form.html.contains(TOKEN), "{}", form.html);
        assert!(form.text.contains("*|UNSUB|*") && !form.text.contains(TOKEN), "{}", form.text);
    }
}
