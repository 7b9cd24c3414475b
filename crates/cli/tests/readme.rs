//! The README's table of what each provider can carry is what the providers say of themselves.
//!
//! `UPDATE_README=1 cargo test -p depeche-cli --test readme` writes it anew.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use depeche::clock::SystemClock;
use depeche::provider::{BlockList, Capability, EventList, Provider, ProviderName, Standing};
use depeche::providers::brevo::{BrevoConfig, BrevoProvider};
use depeche::providers::mailchimp::campaign::{CampaignConfig, CampaignProvider};
use depeche::providers::mailchimp::transactional::{TransactionalConfig, TransactionalProvider};
use depeche::providers::outbox::OutboxProvider;
use depeche::providers::smtp::{SmtpConfig, SmtpProvider};

const BEGIN: &str = "<!-- capabilities -->\n";
const END: &str = "<!-- /capabilities -->";

/// Nobody listens there: whoever asks fails, and whoever cannot ask says so.
const NOBODY: &str = "http://127.0.0.1:9";

fn providers() -> Vec<Arc<dyn Provider>> {
    let name = || ProviderName::new("x").unwrap();
    let mut brevo = BrevoConfig::new(name(), "key".to_owned().into());
    brevo.batch = true;
    brevo.http.base_url = NOBODY.to_owned();
    let campaign = CampaignConfig::at(name(), "key".to_owned().into(), "a1".to_owned(), NOBODY);
    let mut transactional = TransactionalConfig::new(name(), "key".to_owned().into());
    transactional.http.base_url = NOBODY.to_owned();
    vec![
        Arc::new(SmtpProvider::new(SmtpConfig::new(name(), "smtp.example.org")).unwrap()),
        Arc::new(BrevoProvider::new(brevo, Arc::new(SystemClock)).unwrap()),
        Arc::new(TransactionalProvider::new(transactional, Arc::new(SystemClock)).unwrap()),
        Arc::new(CampaignProvider::new(campaign, Arc::new(SystemClock)).unwrap()),
        Arc::new(OutboxProvider::new(name(), "outbox")),
    ]
}

fn table() -> String {
    let providers = providers();
    let row = |title: &str, cell: &dyn Fn(&Capability) -> String| {
        let cells: Vec<String> = providers.iter().map(|provider| cell(&provider.capability())).collect();
        format!("| {title} | {} |\n", cells.join(" | "))
    };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let kinds: Vec<&str> = providers.iter().map(|provider| provider.kind()).collect();
    let size = |capability: &Capability| {
        capability
            .max_size_bytes
            .map_or("the server's own".to_owned(), |size| format!("{} MB", size / 1_000_000))
    };
    let again = |capability: &Capability| match capability.idempotent_for {
        Some(wait) if wait.as_secs() > 3_600 => "settled by asking, never by a second send".to_owned(),
        Some(wait) => format!("settled by repeating, for {} min", wait.as_secs() / 60),
        None if capability.sends => "never repeated by itself".to_owned(),
        None => "does not arise".to_owned(),
    };
    [
        format!("| | {} |\n|---|---|---|---|---|---|\n", kinds.join(" | ")),
        row("sends", &|capability| yes(capability.sends)),
        row("attachments", &|capability| yes(capability.attachments)),
        row("inline images", &|capability| match capability.inline_images {
            true => "yes".to_owned(),
            false => "by link (`url`)".to_owned(),
        }),
        row("international local parts", &|capability| yes(capability.international_local_part)),
        row("largest message", &size),
        row("recipients a request", &|capability| match capability.batch {
            1 => "1".to_owned(),
            most if most > 1_000 => format!("one campaign to {most}"),
            most => format!("1, or {most} with `batch = true`"),
        }),
        row("an answer that was lost", &again),
        asked(&providers),
    ]
    .concat()
}

/// What each provider can be asked: one that cannot says so without trying.
fn asked(providers: &[Arc<dyn Provider>]) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let row = |title: &str, cell: &dyn Fn(&Arc<dyn Provider>) -> &'static str| {
        let cells: Vec<&str> = providers.iter().map(cell).collect();
        format!("| {title} | {} |\n", cells.join(" | "))
    };
    let yes = |is: bool| if is { "yes" } else { "no" };
    let since = jiff::Timestamp::now();
    let events = |provider: &Arc<dyn Provider>| match runtime.block_on(provider.events(since)) {
        EventList::CannotTell if provider.kind() == "smtp" => "by bounces in a mailbox",
        EventList::CannotTell => "no",
        _ => "yes",
    };
    let blocks = |provider: &Arc<dyn Provider>| {
        yes(!matches!(runtime.block_on(provider.block_list()), BlockList::None))
    };
    let standing = |provider: &Arc<dyn Provider>| {
        yes(!matches!(runtime.block_on(provider.standing("exemple.fr")), Standing::CannotTell))
    };
    [
        row("asked for deliveries, bounces, opt-outs (`sync`)", &events),
        row("a block list of its own (`suppress pull`)", &blocks),
        row("its word on the sending domain counts (`domain check`)", &standing),
    ]
    .concat()
}

#[test]
fn the_table_of_capabilities_is_what_the_providers_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(BEGIN).unwrap();
    let (shown, tail) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }

    assert_eq!(shown, table, "UPDATE_README=1 cargo test -p depeche-cli --test readme");
}
