//! Finds, before anything is sent, the contacts for whom a field that the release uses is missing.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::context;

use super::Release;
use super::render::{environment, with_defaults};
use crate::contact::Contact;

/// A field that is missing for some contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingField {
    /// Which.
    pub field: String,
    /// For how many.
    pub count: usize,
    /// The first five of them.
    pub addresses: Vec<String>,
    /// Paste-ready: the same tag with a default.
    pub fix: String,
    /// The `--where` that leaves them out.
    pub selection: String,
}

impl Release {
    /// Which fields are missing for which contacts. A field used only inside `{% if contact.x %}` or
    /// with a default is not missing.
    #[must_use]
    pub fn missing(&self, contacts: &[Contact]) -> Vec<MissingField> {
        let mut found: BTreeMap<&str, Vec<&Contact>> = BTreeMap::new();
        let mut known: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
        for contact in contacts {
            let present = with_defaults(&contact.fields, &self.head.defaults);
            let absent: BTreeSet<&str> = self
                .used_fields
                .iter()
                .map(String::as_str)
                .filter(|field| !present.contains_key(*field))
                .collect();
            let needed = known.entry(absent.clone()).or_insert_with(|| self.needed_of(&absent));
            for field in needed.iter() {
                found.entry(field).or_default().push(contact);
            }
        }
        found.into_iter().map(|(field, contacts)| self.describe(field, &contacts)).collect()
    }

    /// Which of the absent fields the templates cannot do without: each is left out alone.
    fn needed_of<'a>(&self, absent: &BTreeSet<&'a str>) -> Vec<&'a str> {
        absent.iter().copied().filter(|field| !self.renders_without(field)).collect()
    }

    fn renders_without(&self, field: &str) -> bool {
        let environment = environment();
        let others = self.used_fields.iter().filter(|other| *other != field);
        let contact: BTreeMap<&str, &str> = others.map(|other| (other.as_str(), "x")).collect();
        let sources = [self.tags.put_back(&self.subject), self.tags.put_back(&self.markdown)];
        sources
            .iter()
            .all(|source| environment.render_str(source, context! { contact => contact.clone() }).is_ok())
    }

    fn describe(&self, field: &str, contacts: &[&Contact]) -> MissingField {
        let example = match (field, self.lang().starts_with("fr")) {
            ("outlet", true) => "votre rédaction",
            ("outlet", false) => "your newsroom",
            (_, true) => "Madame, Monsieur",
            (_, false) => "there",
        };
        MissingField {
            field: field.to_owned(),
            count: contacts.len(),
            addresses: contacts.iter().take(5).map(|contact| contact.address.to_string()).collect(),
            fix: format!("{{{{ contact.{field} | default(\"{example}\") }}}}"),
            selection: format!("{field} is set"),
        }
    }
}
