//! Everything that `plan` shows and `send` does, up to the moment before the list is frozen.
//!
//! The contacts stay where [`ContactList`] keeps them: here are their numbers, in the order in which they
//! are served, so that a list may be longer than memory.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use depeche::address::{EmailAddress, RecipientKey};
use depeche::contact::{Contact, ContactList};
use depeche::journal::{DeliveryState, Journal, NewDeliveries, NewDelivery, RunId, RunKind, Taken};
use depeche::release::identity::Identity;
use depeche::release::{FrozenRelease, MissingField, Release, Unfilled, new_message_id};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Value, json};

use super::document::Pages;
use crate::args::What;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::runs::word_of_one;
use crate::verbs::{contacts, release};
use crate::words::say;

/// The journal is asked for so many recipients at once.
const PAGE: usize = 5_000;

/// A release and the list it goes to.
pub(crate) struct Prepared {
    pub(crate) frozen: FrozenRelease,
    /// The moment of the run.
    pub(crate) date: ZonedDateTime,
    pub(crate) assets: Vec<(String, bytes::Bytes)>,
    list: Arc<ContactList>,
    /// Those who will be in the run, suppressed ones included, in the order in which they are served.
    served: Vec<u32>,
    /// When the embargo ends, and whether it still holds.
    pub(crate) embargo: Option<Timestamp>,
    /// Whom earlier runs hold: the contact, which of `holders`, and in which state.
    taken: Vec<(u32, u16, DeliveryState)>,
    /// The earlier runs that hold recipients, in the order in which they were met.
    holders: Vec<RunId>,
    /// How many contacts the selection, `--exclude` and `--limit` took away.
    pub(crate) not_chosen: usize,
    /// Whom the suppression list holds.
    suppressed: HashSet<u32>,
    /// Findings of the release's rules that are no errors.
    pub(crate) remarks: Vec<String>,
    /// Nobody is sent it before this moment (`--at`).
    pub(crate) begins_at: Option<Timestamp>,
    /// Everybody may have it now: `--under-embargo`, or an outbox, which sends nothing.
    under_embargo: bool,
    /// The one copy of `--test` goes there.
    test_copy: Option<EmailAddress>,
}

/// Who sends: depeche.toml, or the built-in example for an outbox, in the language of the release.
pub(crate) fn identity(
    config: Option<&crate::config::Config>,
    release: &Path,
    context: &Context<'_>,
) -> Identity {
    if let Some(config) = config {
        return config.identity.clone();
    }
    // A release that cannot be read is told where it is read in earnest.
    let text = std::fs::read_to_string(release).unwrap_or_default();
    let lang = Release::read(&text).map(|(release, _)| release.lang().to_owned()).unwrap_or_default();
    let identity = Identity::example_in(&lang);
    context.out.warn(say!(context.out, "send-example", from = identity.from.address.to_string()));
    identity
}

impl Prepared {
    /// Reads, checks and counts.
    pub(crate) async fn new(
        what: &What,
        identity: &Identity,
        journal: &dyn Journal,
        kind: RunKind,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let read = release::read(&what.release)?;
        let assets = release::assets(&read, &what.release)?;
        let remarks = release::lint_or_fail(&read, identity, &assets, &what.release, context.out)?;
        let mut list = contacts::read(&what.to, &contacts::options(what.encoding.as_deref(), context.out)?)?;
        let not_chosen = choose(&mut list, what, journal, context).await?;
        leave_out_unusable(&mut list, &read, context)?;
        let date = context.clock.now().to_zoned_datetime(TimeZone::system());
        let frozen = release::freeze(&read, identity, &assets, (&date, &what.release))?;
        let served: Result<Vec<u32>, _> = list.kept().map(u32::try_from).collect();
        let mut prepared = Self {
            embargo: frozen.embargo.filter(|ends| *ends > context.clock.now()),
            served: served.map_err(|error| contacts::broken(io::Error::other(error)))?,
            list: Arc::new(list),
            assets: assets.files(),
            frozen,
            date,
            taken: Vec::new(),
            holders: Vec::new(),
            not_chosen,
            suppressed: HashSet::new(),
            remarks,
            begins_at: None,
            under_embargo: what.under_embargo || kind == RunKind::Outbox,
            test_copy: None,
        };
        prepared.consult(journal, kind).await?;
        prepared.order_and_limit(what.limit);
        Ok(prepared)
    }

    /// What the journal knows: who has the release already, and who is never mailed.
    async fn consult(&mut self, journal: &dyn Journal, kind: RunKind) -> Result<(), Failure> {
        let served = std::mem::take(&mut self.served);
        for page in served.chunks(PAGE) {
            let keys = self.keys(page).map_err(contacts::broken)?;
            if kind == RunKind::Real {
                let taken = journal.taken(&self.frozen.digest, &keys).await?;
                self.leave_out_taken(&taken).map_err(contacts::broken)?;
            }
            for entry in journal.suppressions(Some(&keys)).await?.iter().filter(|one| !one.quarantined) {
                let number = self.number_of(&entry.key).map_err(contacts::broken)?;
                self.suppressed.extend(number);
            }
        }
        self.served = served;
        self.drop_taken();
        Ok(())
    }

    fn keys(&self, page: &[u32]) -> io::Result<Vec<RecipientKey>> {
        page.iter().map(|number| Ok(self.list.contact(*number as usize)?.0.address.key())).collect()
    }

    fn number_of(&self, key: &RecipientKey) -> io::Result<Option<u32>> {
        Ok(self.list.find(key)?.and_then(|number| u32::try_from(number).ok()))
    }

    /// Leaves out those whom an earlier run holds.
    pub(crate) fn leave_out_taken(&mut self, taken: &[Taken]) -> io::Result<()> {
        for one in taken {
            let Some(number) = self.number_of(&one.key)? else { continue };
            let holder = self.holders.iter().position(|run| *run == one.run).unwrap_or_else(|| {
                self.holders.push(one.run.clone());
                self.holders.len() - 1
            });
            self.taken.push((number, u16::try_from(holder).unwrap_or(u16::MAX), one.state));
        }
        self.drop_taken();
        Ok(())
    }

    fn drop_taken(&mut self) {
        if !self.taken.is_empty() && !self.served.is_empty() {
            let gone: HashSet<u32> = self.taken.iter().map(|(number, ..)| *number).collect();
            self.served.retain(|number| !gone.contains(number));
        }
    }

    /// Tier first, then list order; `--limit` counts those who will be mailed.
    fn order_and_limit(&mut self, limit: Option<usize>) {
        let list = &self.list;
        self.served.sort_by_key(|number| list.tier(*number as usize));
        let Some(limit) = limit else { return };
        let before = self.served.len();
        let mut mailed = 0;
        let suppressed = &self.suppressed;
        self.served.retain(|number| {
            let keeps = mailed < limit;
            mailed += usize::from(!suppressed.contains(number));
            keeps
        });
        self.not_chosen += before - self.served.len();
    }

    /// One copy to `address` with the first contact's fields, embargo or not.
    pub(crate) fn only_test_copy(&mut self, address: EmailAddress) {
        self.served.truncate(1);
        self.suppressed.clear();
        self.under_embargo = true;
        self.test_copy = Some(address);
    }

    /// The first of the earlier runs that hold recipients.
    pub(crate) fn holder(&self) -> Option<&RunId> {
        self.holders.first()
    }

    /// How many will be mailed.
    pub(crate) fn count(&self) -> u64 {
        self.served.iter().filter(|number| !self.suppressed.contains(number)).count() as u64
    }

    /// How many the suppression list holds.
    pub(crate) fn suppressed_count(&self) -> usize {
        self.suppressed.len()
    }

    /// Whether the suppression list holds the one served at this place, from 0.
    pub(crate) fn is_suppressed(&self, place: usize) -> bool {
        self.served.get(place).is_some_and(|number| self.suppressed.contains(number))
    }

    /// Those who will be in the run, in the order in which they are served.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = io::Result<Contact>> {
        served(Arc::clone(&self.list), &self.test_copy, self.served.iter().copied())
    }

    /// Place (from 0) and tier of each who will be mailed.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u64, u32)> {
        let mailed = (0..).zip(&self.served).filter(|(_, number)| !self.suppressed.contains(number));
        mailed.map(|(place, number)| (place, self.list.tier(*number as usize)))
    }

    /// When `contact` may have it at the earliest.
    pub(crate) fn not_before(&self, contact: &Contact) -> Option<Timestamp> {
        self.embargo.filter(|_| !self.under_embargo && !contact.embargo_trusted)
    }

    /// How many wait for the end of the embargo.
    pub(crate) fn waiting(&self) -> usize {
        if self.embargo.is_none() || self.under_embargo {
            return 0;
        }
        self.served.iter().filter(|number| !self.list.is_embargo_trusted(**number as usize)).count()
    }

    /// How many rows and recipients are left out.
    pub(crate) fn left_out_count(&self) -> usize {
        self.list.left_out_count() + self.taken.len()
    }

    /// Rows and recipients that are left out, with reasons, as a run keeps them.
    pub(crate) fn left_out<'p>(&'p self, context: &Context<'p>) -> impl Iterator<Item = io::Result<Value>> {
        let out = context.out;
        let rows = self.list.left_out().map(|row| Ok(contacts::left_out(&row?, &out.words)));
        let taken = self.taken.iter().map(|(number, holder, state)| {
            let (contact, _) = self.list.contact(*number as usize)?;
            let (run, state) = (self.holders[usize::from(*holder)].as_str(), state.as_str());
            let told = word_of_one(state, context);
            let reason = say!(out, "left-out-taken", run = run, state = told);
            Ok(json!({ "row": contact.row, "address": contact.address.to_string(),
                "code": "run.taken", "reason": reason, "run": run, "state": state }))
        });
        rows.chain(taken)
    }

    /// The list, ready to be frozen.
    pub(crate) fn deliveries(&self, identity: &Identity, context: &Context<'_>) -> NewDeliveries {
        let domain = identity.from.address.domain().to_owned();
        let entropy = Arc::clone(&context.entropy);
        let embargo = self.embargo.filter(|_| !self.under_embargo);
        let begins_at = self.begins_at;
        let contacts = served(Arc::clone(&self.list), &self.test_copy, self.served.clone().into_iter());
        NewDeliveries::new(contacts.enumerate().map(move |(position, contact)| {
            let contact = contact?;
            Ok(NewDelivery {
                address: contact.address,
                tier: contact.tier,
                position: position as u64,
                fields: contact.fields,
                message_id: new_message_id(&*entropy, &domain),
                not_before: embargo.filter(|_| !contact.embargo_trusted).max(begins_at),
            })
        }))
    }
}

/// The contacts with these numbers; all of them go to the address of a test copy, if there is one.
fn served<N: Iterator<Item = u32>>(
    list: Arc<ContactList>,
    test_copy: &Option<EmailAddress>,
    numbers: N,
) -> impl Iterator<Item = io::Result<Contact>> + use<N> {
    let test_copy = test_copy.clone();
    numbers.map(move |number| {
        let (mut contact, _) = list.contact(number as usize)?;
        if let Some(address) = &test_copy {
            contact.address = address.clone();
        }
        Ok(contact)
    })
}

/// `--where` and `--exclude`; returns how many are gone.
async fn choose(
    list: &mut ContactList,
    what: &What,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<usize, Failure> {
    let mut gone = 0;
    if let Some(expression) = &what.selection {
        gone += contacts::select(list, expression)?;
    }
    for excluded in &what.exclude {
        gone += exclude(list, excluded, journal, context).await?;
    }
    Ok(gone)
}

/// Takes out the addresses of a list, or of an earlier run.
async fn exclude(
    list: &mut ContactList,
    excluded: &str,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<usize, Failure> {
    let mut gone = 0;
    if Path::new(excluded).exists() {
        let other = contacts::read(&[PathBuf::from(excluded)], &contacts::options(None, context.out)?)?;
        for key in other.keys() {
            let key = key.map_err(contacts::broken)?;
            gone += usize::from(list.exclude(&key).map_err(contacts::broken)?);
        }
        return Ok(gone);
    }
    let run = match RunId::new(excluded) {
        Ok(id) => journal.run(&id).await?,
        Err(_) => None,
    };
    let Some(run) = run else {
        let message = say!(context.out, "exclude-neither", name = excluded);
        return Err(Failure::usage("exclude", message));
    };
    let mut pages = Pages::all(journal, &run.id);
    while let Some(page) = pages.next().await? {
        for delivery in page {
            let is_gone = list.exclude(&delivery.address.key()).map_err(contacts::broken)?;
            gone += usize::from(is_gone);
        }
    }
    Ok(gone)
}

/// Leaves out the contacts with a cell that the release or a header uses and cannot. A field that is
/// missing is an error that names the contacts, before anything is sent.
fn leave_out_unusable(list: &mut ContactList, read: &Release, context: &Context<'_>) -> Result<(), Failure> {
    let mut used: BTreeSet<String> = read.used_fields();
    used.extend(["email", "first_name", "last_name"].map(str::to_owned));
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    let mut missing = read.missing_fields();
    list.leave_out_unusable(&used, |contact| missing.look(contact)).map_err(contacts::broken)?;
    let unfilled = missing.unfilled().map(|unfilled| not_filled(unfilled, context));
    let failures =
        missing.found().iter().map(|field| field_missing(field, context)).chain(unfilled).collect();
    Failure::all(failures).map_or(Ok(()), Err)
}

fn not_filled(unfilled: &Unfilled, context: &Context<'_>) -> Failure {
    let out = context.out;
    let mut names = unfilled.addresses.clone();
    if unfilled.count > names.len() {
        names.push("…".to_owned());
    }
    let reason = out.words.library(&unfilled.reason);
    let (count, names) = (unfilled.count as u64, names.join(", "));
    let message = say!(out, "field-unfilled", count = count, names = names, reason = reason);
    let hint = match unfilled.line {
        Some(line) => say!(out, "field-unfilled-line", line = line as u64),
        None => say!(out, "field-unfilled-title"),
    };
    Failure::new(Exit::Usage, "release.unfilled", message).with_hint(hint)
}

fn field_missing(missing: &MissingField, context: &Context<'_>) -> Failure {
    let mut names = missing.addresses.clone();
    if missing.count > names.len() {
        names.push("…".to_owned());
    }
    let message = say!(
        context.out,
        "field-missing",
        field = missing.field.to_string(),
        count = missing.count as u64,
        names = names.join(", ")
    );
    let hint = say!(
        context.out,
        "field-missing-hint",
        fix = missing.fix.to_string(),
        selection = missing.selection.to_string()
    );
    Failure::new(Exit::Usage, "release.missing-field", message).with_hint(hint)
}
