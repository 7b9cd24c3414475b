//! The hot parts of a run, each alone: what one recipient costs before and beside the wire.
//!
//! `cargo bench -p depeche --bench hot` (`bash bench/hot.sh --write` puts the table into
//! docs/performance.md). The release and the message are those of `bench/send.sh`: some 20 kB of HTML
//! with the contact's name in it. The journal's commits are fsynced, on the disk of the target folder.

// A bench fails by panicking.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use depeche::address::{EmailAddress, Mailbox};
use depeche::clock::SystemEntropy;
use depeche::contact::{ContactList, ReadOptions, Source};
use depeche::domain::dkim::{NewKey, make_key};
use depeche::domain::dns::zone::Zone;
use depeche::domain::spf::{Request, SpfResult, check_host};
use depeche::journal::{AttemptState, DeliveryRecord, DeliveryState, Intent, Journal, RunId, Settlement};
use depeche::message::build::Parts;
use depeche::message::inspect::inspect;
use depeche::message::{Message, MessageId, Unsubscribe};
use depeche::provider::ProviderName;
use depeche::providers::smtp::{DkimConfig, DkimSigner};
use depeche::release::{Assets, Identity, Release, Renderer};
use depeche::sqlite::SqliteJournal;
use depeche::text::HeaderText;
use depeche_testkit::journal::{intent_for, new_run, recipients, settled};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use jiff::{Timestamp, ZonedDateTime};

fn main() {
    divan::main();
}

const PARAGRAPH: &str =
    "La production des capteurs sans mercure commence en mars à Grenoble, avec 120 personnes.\n\n";

fn date() -> ZonedDateTime {
    "2026-12-03T08:00:00+01:00[Europe/Paris]".parse().unwrap()
}

fn now() -> Timestamp {
    date().timestamp()
}

fn renderer() -> Renderer {
    let head = "---\ntitle: \"L’usine rouvre\"\nlang: fr\ncity: Grenoble\n---\nBonjour {{ contact.first_name }},\n\n";
    let release = Release::parse(&format!("{head}{}", PARAGRAPH.repeat(100))).unwrap();
    let frozen = release.freeze(&Identity::example(), &Assets::empty(), &date()).unwrap();
    Renderer::new(&frozen, Vec::new(), date()).unwrap()
}

fn message(renderer: &Renderer) -> Message {
    let fields = [("first_name", "Zoé"), ("last_name", "Lefèvre")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let to = EmailAddress::parse("zoe@matin.example").unwrap();
    renderer.message(&to, &fields, &MessageId::new("<a.1@exemple.fr>").unwrap()).unwrap()
}

/// Templates, text part, MIME, re-reading: all that is done for one recipient before the wire.
#[divan::bench]
fn render_a_message(bencher: Bencher<'_, '_>) {
    let renderer = renderer();
    let bytes = message(&renderer).mime.size_bytes();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| message(black_box(&renderer)));
}

/// The MIME bytes of a rendered message, with their re-reading.
#[divan::bench]
fn build_mime_and_read_it_again(bencher: Bencher<'_, '_>) {
    let made = message(&renderer());
    let parts = Parts {
        from: made.from.clone(),
        to: Mailbox {
            name: Some(HeaderText::new("Zoé Lefèvre").unwrap()), address: made.to.address.clone()
        },
        reply_to: None,
        subject: made.subject.clone(),
        date: made.date.clone(),
        message_id: made.message_id.clone(),
        lang: made.lang.clone(),
        unsubscribe: Unsubscribe::default(),
        html: made.html.to_string(),
        text: made.text.to_string(),
        attachments: made.attachments.clone(),
        images: made.images.clone(),
    };
    bencher
        .counter(BytesCount::new(made.mime.size_bytes()))
        .with_inputs(|| parts.clone())
        .bench_local_values(|parts| parts.build().unwrap());
}

/// The re-reading alone: headers, structure, line ends of the bytes that are to leave.
#[divan::bench]
fn read_a_built_message_again(bencher: Bencher<'_, '_>) {
    let made = message(&renderer());
    bencher
        .counter(BytesCount::new(made.mime.size_bytes()))
        .bench_local(|| inspect(black_box(&made)).unwrap());
}

fn sign(bencher: Bencher<'_, '_>, kind: NewKey) {
    let (domain, selector) = ("exemple.fr".to_owned(), "s1".to_owned());
    let key = make_key(kind).unwrap().into();
    let signer = DkimSigner::new(&[DkimConfig { domain, selector, key }]).unwrap();
    let made = message(&renderer());
    bencher
        .counter(BytesCount::new(made.mime.size_bytes()))
        .bench_local(|| signer.sign(black_box(&made.mime), now()).unwrap().unwrap());
}

#[divan::bench]
fn sign_with_rsa_2048(bencher: Bencher<'_, '_>) {
    sign(bencher, NewKey::Rsa2048);
}

#[divan::bench]
fn sign_with_ed25519(bencher: Bencher<'_, '_>) {
    sign(bencher, NewKey::Ed25519);
}

const CONTACTS: usize = 10_000;

/// A list of 10 000 rows in UTF-8: every row judged, laid down, found to be nobody's double.
#[divan::bench(sample_count = 20)]
fn read_ten_thousand_contacts(bencher: Bencher<'_, '_>) {
    let rows = (0..CONTACTS).map(|n| format!("j{n}@redaction{}.example,Zoé,Lefèvre,Le Progrès,1\n", n % 97));
    let list = format!("email,first_name,last_name,outlet,tier\n{}", rows.collect::<String>());
    bencher.counter(ItemsCount::new(CONTACTS)).bench_local(|| {
        let source = Source::new("contacts.csv", black_box(list.as_bytes()));
        let scratch = Cursor::new(Vec::new());
        let read = ContactList::read(vec![source], &ReadOptions::default(), scratch).unwrap();
        assert_eq!(read.kept().count(), CONTACTS);
        read
    });
}

/// Eight lookups, two includes, the address in the last one: no network, the answers are at hand.
const RECORDS: &str = "
@       TXT \"v=spf1 a mx include:first.example.org include:second.example.org -all\"
@       A   192.0.2.1
@       MX  10 mx
mx      A   192.0.2.2
first   TXT \"v=spf1 ip4:198.51.100.0/25 include:third.example.org ?all\"
third   TXT \"v=spf1 ip4:198.51.100.128/25 exists:%{ir}.list.example.org -all\"
second  TXT \"v=spf1 ip4:203.0.113.0/24 ~all\"
";

#[divan::bench]
fn evaluate_spf_of_two_providers(bencher: Bencher<'_, '_>) {
    let zone = Zone::parse(RECORDS, "example.org").unwrap();
    let request = Request::new("203.0.113.7".parse().unwrap(), "presse@example.org", "mx.example.org");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    bencher.bench_local(|| {
        let verdict = runtime.block_on(check_host(black_box(&zone), &request));
        assert_eq!(verdict.result, SpfResult::Pass);
        verdict
    });
}

/// A journal with a frozen run, and who of it comes next.
struct Desk {
    runtime: tokio::runtime::Runtime,
    journal: SqliteJournal,
    run: RunId,
    ovh: ProviderName,
    due: Vec<DeliveryRecord>,
    /// What the connections know and the journal does not yet.
    open: Vec<Settlement>,
    _hold: Box<dyn depeche::journal::Hold>,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn with(recipients_count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let new = new_run("r1", 7, recipients_count, now());
        let run = new.id.clone();
        let (journal, hold, mut due) = runtime.block_on(async {
            let journal = SqliteJournal::open(&folder.path().join("journal.db")).await.unwrap();
            journal.freeze(new, recipients(0..recipients_count)).await.unwrap();
            let hold = journal.hold(&run).await.unwrap();
            let due = journal.due(&run, now(), recipients_count).await.unwrap();
            (journal, hold, due)
        });
        due.reverse();
        let ovh = ProviderName::new("ovh").unwrap();
        Self { runtime, journal, run, ovh, due, open: Vec::new(), _hold: hold, _folder: folder }
    }

    fn next(&mut self) -> Intent {
        let delivery = self.due.pop().expect("the desk has a recipient for every iteration");
        intent_for(&self.run, &delivery, &self.ovh, &SystemEntropy, now())
    }

    /// `connections` outcomes and next intents, side by side, until all of them are durable.
    fn step(&mut self, connections: usize) {
        let intents: Vec<Intent> = (0..connections).map(|_| self.next()).collect();
        let mut outcomes = std::mem::take(&mut self.open);
        for intent in &intents {
            self.open.push(settled(intent, DeliveryState::Accepted, AttemptState::Accepted, now()));
        }
        let steps = intents.into_iter().map(|intent| {
            let outcome = outcomes.pop().into_iter().collect();
            self.journal.settle_and_intend(outcome, vec![intent])
        });
        for stepped in self.runtime.block_on(futures_util::future::join_all(steps)) {
            stepped.settled.unwrap();
            stepped.intended.unwrap();
        }
    }
}

/// The outcome of a message and the intent of the next, durable, on so many connections at once.
#[divan::bench(args = [1, 10, 50], sample_count = 40, sample_size = 5)]
fn commit_outcomes_and_next_intents(bencher: Bencher<'_, '_>, connections: usize) {
    let mut desk = Desk::with(connections * 300);
    bencher.counter(ItemsCount::new(connections)).bench_local(|| desk.step(connections));
}

/// A thousand recipients frozen in one transaction.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn freeze_a_thousand_recipients(bencher: Bencher<'_, '_>) {
    let desk = Desk::with(1);
    let mut number = 0_u8;
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .with_inputs(|| {
            number += 1;
            let new = new_run(&format!("f{number}"), 100 + number, 1_000, now());
            (new, recipients(0..1_000))
        })
        .bench_local_values(|(new, list)| desk.runtime.block_on(desk.journal.freeze(new, list)).unwrap());
}
