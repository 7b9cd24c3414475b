//! Everything that `plan` shows and `send` does, up to the moment before the list is frozen.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use depeche::address::RecipientKey;
use depeche::contact::{Contact, Loaded};
use depeche::journal::{Journal, NewDelivery, RunId, RunKind, Taken};
use depeche::release::identity::Identity;
use depeche::release::{FrozenRelease, Release, new_message_id};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Value, json};

use super::document;
use crate::args::What;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::{contacts, release};
use crate::words::say;

/// A release and the list it goes to.
pub(crate) struct Prepared {
    pub(crate) frozen: FrozenRelease,
    /// The moment of the run.
    pub(crate) date: ZonedDateTime,
    pub(crate) assets: Vec<(String, bytes::Bytes)>,
    /// Those who will be in the run, suppressed ones included, in the order in which they are served.
    pub(crate) contacts: Vec<Contact>,
    /// When the embargo ends, and whether it still holds.
    pub(crate) embargo: Option<Timestamp>,
    /// Rows and recipients that are left out, with reasons.
    pub(crate) left_out: Vec<Value>,
    /// How many contacts the selection, `--exclude` and `--limit` took away.
    pub(crate) not_chosen: usize,
    /// Whom the suppression list holds.
    pub(crate) suppressed: HashSet<RecipientKey>,
    /// The first of the earlier runs that hold recipients.
    pub(crate) holder: Option<RunId>,
    /// Findings of the release's rules that are no errors.
    pub(crate) remarks: Vec<String>,
    /// Everybody may have it now: `--under-embargo`, or an outbox, which sends nothing.
    under_embargo: bool,
}

/// Who sends: depeche.toml, or the built-in example for an outbox.
pub(crate) fn identity(config: Option<&crate::config::Config>, context: &Context<'_>) -> Identity {
    if let Some(config) = config {
        return config.identity.clone();
    }
    let identity = Identity::example();
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
        let remarks = release::lint_or_fail(&read, identity, &assets, &what.release)?;
        let mut list = contacts::read(&what.to, &contacts::options(what.encoding.as_deref(), context.out)?)?;
        let not_chosen = choose(&mut list, what, journal, context).await?;
        let used = used_fields(&read);
        list.leave_out_unusable(&used.iter().map(String::as_str).collect::<Vec<_>>());
        no_field_missing(&read, &list, context)?;
        let date = context.clock.now().to_zoned_datetime(TimeZone::system());
        let frozen = release::freeze(&read, identity, &assets, (&date, &what.release))?;
        let mut prepared = Self {
            embargo: frozen.embargo.filter(|ends| *ends > context.clock.now()),
            left_out: contacts::left_out(&list, &context.out.words),
            contacts: list.contacts,
            assets: assets.files(),
            frozen,
            date,
            not_chosen,
            suppressed: HashSet::new(),
            holder: None,
            remarks,
            under_embargo: what.under_embargo || kind == RunKind::Outbox,
        };
        prepared.consult(journal, kind, context).await?;
        prepared.order_and_limit(what.limit);
        Ok(prepared)
    }

    /// What the journal knows: who has the release already, and who is never mailed.
    async fn consult(
        &mut self,
        journal: &dyn Journal,
        kind: RunKind,
        context: &Context<'_>,
    ) -> Result<(), Failure> {
        let keys: Vec<RecipientKey> = self.contacts.iter().map(|contact| contact.address.key()).collect();
        if kind == RunKind::Real {
            let taken = journal.taken(&self.frozen.digest, &keys).await?;
            self.leave_out_taken(&taken, context);
        }
        let suppressed = journal.suppressions(Some(&keys)).await?;
        self.suppressed =
            suppressed.into_iter().filter(|entry| !entry.quarantined).map(|entry| entry.key).collect();
        Ok(())
    }

    /// Leaves out those whom an earlier run holds, and says so.
    pub(crate) fn leave_out_taken(&mut self, taken: &[Taken], context: &Context<'_>) {
        let by_key: HashMap<&RecipientKey, &Taken> = taken.iter().map(|taken| (&taken.key, taken)).collect();
        let holder = taken.first().map(|taken| taken.run.clone());
        self.holder = self.holder.take().or(holder);
        let left_out = &mut self.left_out;
        self.contacts.retain(|contact| {
            let Some(taken) = by_key.get(&contact.address.key()) else { return true };
            let run = taken.run.as_str();
            let state = taken.state.as_str();
            let reason = say!(context.out, "left-out-taken", run = run, state = state);
            left_out.push(json!({ "row": contact.row, "address": contact.address.to_string(),
                "code": "run.taken", "reason": reason, "run": run, "state": state }));
            false
        });
    }

    /// Tier first, then list order; `--limit` counts those who will be mailed.
    fn order_and_limit(&mut self, limit: Option<usize>) {
        self.contacts.sort_by_key(|contact| contact.tier);
        let Some(limit) = limit else { return };
        let before = self.contacts.len();
        let mut mailed = 0;
        let suppressed = &self.suppressed;
        self.contacts.retain(|contact| {
            let counts = !suppressed.contains(&contact.address.key());
            let keeps = mailed < limit;
            mailed += usize::from(counts);
            keeps
        });
        self.not_chosen += before - self.contacts.len();
    }

    /// How many will be mailed.
    pub(crate) fn count(&self) -> u64 {
        let mailed = |contact: &&Contact| !self.suppressed.contains(&contact.address.key());
        self.contacts.iter().filter(mailed).count() as u64
    }

    /// When `contact` may have it at the earliest.
    pub(crate) fn not_before(&self, contact: &Contact) -> Option<Timestamp> {
        self.embargo.filter(|_| !self.under_embargo && !contact.embargo_trusted)
    }

    /// How many wait for the end of the embargo.
    pub(crate) fn waiting(&self) -> usize {
        self.contacts.iter().filter(|contact| self.not_before(contact).is_some()).count()
    }

    /// The list, ready to be frozen.
    pub(crate) fn deliveries(&self, identity: &Identity, context: &Context<'_>) -> Vec<NewDelivery> {
        let domain = identity.from.address.domain();
        let delivery = |(position, contact): (usize, &Contact)| NewDelivery {
            address: contact.address.clone(),
            tier: contact.tier,
            position: position as u64,
            fields: contact.fields.clone(),
            message_id: new_message_id(&*context.entropy, domain),
            not_before: self.not_before(contact),
        };
        self.contacts.iter().enumerate().map(delivery).collect()
    }
}

/// `--where` and `--exclude`; returns how many are gone.
async fn choose(
    list: &mut Loaded,
    what: &What,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<usize, Failure> {
    let mut gone = 0;
    if let Some(expression) = &what.selection {
        gone += contacts::select(list, expression)?;
    }
    for excluded in &what.exclude {
        let keys = excluded_keys(excluded, journal, context).await?;
        gone += list.exclude(&keys);
    }
    Ok(gone)
}

/// The addresses of a list, or of an earlier run.
async fn excluded_keys(
    excluded: &str,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<HashSet<RecipientKey>, Failure> {
    if Path::new(excluded).exists() {
        let list = contacts::read(&[PathBuf::from(excluded)], &contacts::options(None, context.out)?)?;
        return Ok(list.keys());
    }
    let run = match RunId::new(excluded) {
        Ok(id) => journal.run(&id).await?,
        Err(_) => None,
    };
    let Some(run) = run else {
        let message = say!(context.out, "exclude-neither", name = excluded);
        return Err(Failure::usage("exclude", message));
    };
    let deliveries = document::all_deliveries(journal, &run.id).await?;
    Ok(deliveries.iter().map(|delivery| delivery.address.key()).collect())
}

/// The cells that the release and the headers use.
fn used_fields(read: &Release) -> BTreeSet<String> {
    let mut used = read.used_fields();
    used.extend(["email", "first_name", "last_name"].map(str::to_owned));
    used
}

/// A missing field is an error that names the contacts, before anything is sent.
fn no_field_missing(read: &Release, list: &Loaded, context: &Context<'_>) -> Result<(), Failure> {
    let failure = |missing: &depeche::release::MissingField| {
        const SHOWN: usize = 5;
        let mut names: Vec<String> = missing.addresses.iter().take(SHOWN).map(ToString::to_string).collect();
        if missing.addresses.len() > SHOWN {
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
    };
    let failures = read.missing(&list.contacts).iter().map(failure).collect();
    Failure::all(failures).map_or(Ok(()), Err)
}
