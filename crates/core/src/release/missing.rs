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

/// So many of the contacts for whom a field is missing are named.
const NAMED: usize = 5;

/// Looks at contacts one after the other and remembers which fields are missing for how many.
#[derive(Debug)]
pub struct MissingFields<'r> {
    release: &'r Release,
    /// What each set of absent fields comes to: templates are tried once for each.
    known: BTreeMap<BTreeSet<&'r str>, Vec<&'r str>>,
    found: BTreeMap<&'r str, (usize, Vec<String>)>,
}

impl<'r> MissingFields<'r> {
    /// Looks at one more contact.
    pub fn look(&mut self, contact: &Contact) {
        let release = self.release;
        let present = with_defaults(&contact.fields, &release.head.defaults);
        let used = release.used_fields.iter().map(String::as_str);
        let absent: BTreeSet<&str> = used.filter(|field| !present.contains_key(*field)).collect();
        if absent.is_empty() {
            return;
        }
        let needed = self.known.entry(absent).or_insert_with_key(|absent| release.needed_of(absent));
        for field in needed.iter() {
            let (count, addresses) = self.found.entry(field).or_default();
            *count += 1;
            if addresses.len() < NAMED {
                addresses.push(contact.address.to_string());
            }
        }
    }

    /// The fields that are missing, by name.
    #[must_use]
    pub fn found(self) -> Vec<MissingField> {
        let release = self.release;
        let found = self.found.into_iter();
        found.map(|(field, (count, addresses))| release.describe(field, count, addresses)).collect()
    }
}

impl Release {
    /// Which fields are missing for which contacts. A field used only inside `{% if contact.x %}` or
    /// with a default is not missing.
    #[must_use]
    pub fn missing(&self, contacts: &[Contact]) -> Vec<MissingField> {
        let mut missing = self.missing_fields();
        contacts.iter().for_each(|contact| missing.look(contact));
        missing.found()
    }

    /// The same for contacts that come one after the other.
    #[must_use]
    pub fn missing_fields(&self) -> MissingFields<'_> {
        MissingFields { release: self, known: BTreeMap::new(), found: BTreeMap::new() }
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

    fn describe(&self, field: &str, count: usize, addresses: Vec<String>) -> MissingField {
        let example = match (field, self.lang().starts_with("fr")) {
            ("outlet", true) => "votre rédaction",
            ("outlet", false) => "your newsroom",
            (_, true) => "Madame, Monsieur",
            (_, false) => "there",
        };
        MissingField {
            field: field.to_owned(),
            count,
            addresses,
            fix: format!("{{{{ contact.{field} | default(\"{example}\") }}}}"),
            selection: format!("{field} is set"),
        }
    }
}
