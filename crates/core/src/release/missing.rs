//! Finds, before anything is sent, the contacts for whom a field that the release uses is missing, and those for
//! whom one of its tags cannot be filled: they would be refused one by one.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, context};

use super::Release;
use super::render::{environment, why_unfilled, with_defaults};
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

/// Contacts for whom the release's tags cannot be filled, whose fields are all there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// For how many.
    pub count: usize,
    /// The first five of them.
    pub addresses: Vec<String>,
    /// Why, for the first.
    pub reason: String,
    /// The line of the release, from 1, where that is known.
    pub line: Option<usize>,
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
    /// The templates, where tags do more than stand for a field: only those can fail.
    trial: Option<Environment<'static>>,
    unfilled: Option<Unfilled>,
}

impl<'r> MissingFields<'r> {
    /// Looks at one more contact.
    pub fn look(&mut self, contact: &Contact) {
        let release = self.release;
        let present = with_defaults(&contact.fields, &release.head.defaults);
        let used = release.used_fields.iter().map(String::as_str);
        let absent: BTreeSet<&str> = used.filter(|field| !present.contains_key(*field)).collect();
        let needed: &[&str] = match absent.is_empty() {
            true => &[],
            false => self.known.entry(absent).or_insert_with_key(|absent| release.needed_of(absent)),
        };
        for field in needed {
            let (count, addresses) = self.found.entry(field).or_default();
            *count += 1;
            if addresses.len() < NAMED {
                addresses.push(contact.address.to_string());
            }
        }
        if needed.is_empty() {
            self.try_out(contact, &present);
        }
    }

    /// Fills the templates for one contact.
    fn try_out(&mut self, contact: &Contact, present: &BTreeMap<String, String>) {
        let Some(trial) = &self.trial else { return };
        let failed = ["subject", "body"].into_iter().find_map(|name| {
            let filled = trial
                .get_template(name)
                .and_then(|template| template.render(context! { contact => present }));
            Some((name, filled.err()?))
        });
        let Some((name, error)) = failed else { return };
        let line = error.line().filter(|_| name == "body").map(|line| self.release.first_line + line - 1);
        let reason = why_unfilled(&error);
        let found = self.unfilled.get_or_insert(Unfilled { count: 0, addresses: Vec::new(), reason, line });
        found.count += 1;
        if found.addresses.len() < NAMED {
            found.addresses.push(contact.address.to_string());
        }
    }

    /// Those for whom nothing is missing, and a tag cannot be filled all the same.
    #[must_use]
    pub fn unfilled(&self) -> Option<&Unfilled> {
        self.unfilled.as_ref()
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
        let (known, found) = (BTreeMap::new(), BTreeMap::new());
        MissingFields { release: self, known, found, trial: self.trial(), unfilled: None }
    }

    /// The templates to try out; `None` when no tag of theirs can fail.
    fn trial(&self) -> Option<Environment<'static>> {
        if self.tags.only_stand_for_fields() {
            return None;
        }
        let mut environment = environment();
        for (name, source) in [("subject", &self.subject), ("body", &self.markdown)] {
            // What cannot be read as a template was refused when the release was read.
            environment.add_template_owned(name, self.tags.put_back(source)).ok()?;
        }
        Some(environment)
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
