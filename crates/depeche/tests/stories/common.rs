//! A story: a frozen list, servers, a run, and the one criterion for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use depeche::address::EmailAddress;
use depeche::budget::Limits;
use depeche::clock::{SystemClock, SystemEntropy};
use depeche::engine::{
    Admission, Control, Ended, Engine, Event, Events, LinkConfig, Needs, Render, RenderRefused,
};
use depeche::journal::*;
use depeche::message::{Message, MessageId};
use depeche::policy::Policy;
use depeche::provider::{Provider, ProviderName};
use depeche::providers::smtp::{Credentials, SmtpConfig, SmtpProvider, Timeouts, Tls};
use depeche::sqlite::SqliteJournal;
use depeche_testkit::conformance::message_to;
use depeche_testkit::provider::ScriptedProvider;
use depeche_testkit::smtp::RunningSmtp;
use jiff::Timestamp;
use tempfile::TempDir;

pub(crate) const RUN: &str = "20261203-lancement";

/// A run frozen in a journal on the disk.
pub(crate) struct Story {
    folder: Arc<TempDir>,
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) run: RunId,
    pub(crate) render: Arc<dyn Render>,
    pub(crate) policy: Policy,
}

/// How a run ended, and what it told on the way.
pub(crate) struct Told {
    pub(crate) ended: Ended,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn address(number: usize) -> String {
    format!("j{number}@journal.example")
}

pub(crate) fn recipients(range: std::ops::Range<usize>) -> Vec<NewDelivery> {
    let one = |number: usize| NewDelivery {
        address: EmailAddress::parse(&address(number)).unwrap(),
        tier: 1,
        position: number as u64,
        fields: BTreeMap::new(),
        message_id: MessageId::new(&format!("<{number}@exemple.fr>")).unwrap(),
        not_before: None,
    };
    range.map(one).collect()
}

pub(crate) fn new_run(id: &str, confirmed: usize) -> NewRun {
    NewRun {
        id: RunId::new(id).unwrap(),
        kind: RunKind::Real,
        slug: "lancement".to_owned(),
        release: "release.md".to_owned(),
        digest: [7; 32],
        frozen: "{}".to_owned(),
        assets: Vec::new(),
        route: Vec::new(),
        left_out: "[]".to_owned(),
        settings: "{}".to_owned(),
        created_at: Timestamp::now(),
        again: false,
        confirmed: confirmed as u64,
    }
}

/// Waits short enough for a test.
pub(crate) fn policy() -> Policy {
    Policy {
        transient: vec![Duration::from_millis(300); 3],
        suspect_after: Duration::from_secs(10),
        ..Policy::default()
    }
}

impl Story {
    /// `count` recipients, of tier 1, in one run.
    pub(crate) async fn of(count: usize) -> Self {
        Self::with(recipients(0..count)).await
    }

    pub(crate) async fn with(deliveries: Vec<NewDelivery>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let journal = SqliteJournal::open(&folder.path().join("journal.db")).await.unwrap();
        journal.freeze(new_run(RUN, deliveries.len()), deliveries).await.unwrap();
        let run = RunId::new(RUN).unwrap();
        Self { folder, journal: Arc::new(journal), run, render: Arc::new(Plain), policy: policy() }
    }

    /// Another run of another release, by another process, in the same journal.
    pub(crate) async fn beside(&self, id: &str, digest: u8, count: usize) -> Self {
        let journal = self.reopened().await;
        let run = NewRun { digest: [digest; 32], slug: id.to_owned(), ..new_run(id, count) };
        journal.freeze(run, recipients(0..count)).await.unwrap();
        let (folder, run) = (Arc::clone(&self.folder), RunId::new(id).unwrap());
        Self { folder, journal, run, render: Arc::new(Plain), policy: policy() }
    }

    /// The journal as another process would open it.
    pub(crate) async fn reopened(&self) -> Arc<SqliteJournal> {
        Arc::new(SqliteJournal::open(&self.folder.path().join("journal.db")).await.unwrap())
    }

    pub(crate) fn engine(&self, chain: Vec<LinkConfig>, events: Events) -> Engine {
        Engine {
            journal: Arc::clone(&self.journal) as Arc<dyn Journal>,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            render: Arc::clone(&self.render),
            chain,
            policy: self.policy.clone(),
            events,
        }
    }

    /// Runs until the engine ends by itself; a minute at the most.
    pub(crate) async fn tell(&self, chain: Vec<LinkConfig>) -> Told {
        self.tell_until(chain, Control::unstoppable()).await
    }

    pub(crate) async fn tell_until(&self, chain: Vec<LinkConfig>, control: Control) -> Told {
        self.tell_by(chain, |engine| engine, None, control).await
    }

    /// The same with an engine changed by `change`.
    pub(crate) async fn tell_by(
        &self,
        chain: Vec<LinkConfig>,
        change: impl FnOnce(Engine) -> Engine,
        admission: Option<Arc<dyn Admission>>,
        control: Control,
    ) -> Told {
        let (events, mut heard) = Events::channel();
        let engine = change(self.engine(chain, events));
        let hold = self.journal.hold(&self.run).await.unwrap();
        let running = async {
            match admission {
                Some(admission) => engine.run_admitted(hold.as_ref(), control, admission).await,
                None => engine.run(hold.as_ref(), control).await,
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), running).await;
        let ended = ended.expect("the run ends within a minute").unwrap();
        drop(engine);
        let mut events = Vec::new();
        while let Some(event) = heard.recv().await {
            events.push(event);
        }
        Told { ended, events }
    }

    pub(crate) async fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.journal.deliveries(&self.run, None, 10_000).await.unwrap()
    }

    pub(crate) async fn state_of(&self, number: usize) -> DeliveryState {
        let wanted = address(number);
        let all = self.deliveries().await;
        all.into_iter().find(|d| d.address.to_string() == wanted).unwrap().state
    }

    /// The same criterion for providers in memory, which know the truth.
    pub(crate) async fn judge_scripted(&self, providers: &[&ScriptedProvider]) -> Totals {
        let totals = self.journal.totals(&self.run).await.unwrap();
        let deliveries = self.deliveries().await;
        assert!(totals.add_up(), "{totals:?}");
        assert_eq!(totals.recipients as usize, deliveries.len());
        let mut copies = BTreeMap::new();
        for who in providers.iter().flat_map(|provider| provider.taken()) {
            *copies.entry(who).or_insert(0_u32) += 1;
        }
        for delivery in &deliveries {
            let who = delivery.address.to_string();
            let copies = copies.get(&who).copied().unwrap_or_default();
            let state = delivery.state;
            assert!(copies <= 1, "{who} gets {copies} copies ({state})");
            let knows = matches!(
                state,
                DeliveryState::Accepted
                    | DeliveryState::Held
                    | DeliveryState::Unknown
                    | DeliveryState::Intent
            );
            assert!(knows || copies == 0, "{who} gets it and the journal says {state}");
            assert!(state != DeliveryState::Accepted || copies == 1, "{who} is said to be accepted");
        }
        totals
    }

    /// The criterion of every story, at the receiving side.
    pub(crate) async fn judge(&self, servers: &[&RunningSmtp]) -> Totals {
        let totals = self.journal.totals(&self.run).await.unwrap();
        let deliveries = self.deliveries().await;
        assert!(totals.add_up(), "{totals:?}");
        assert_eq!(totals.recipients as usize, deliveries.len());
        let (mut yes, mut unanswered) = (BTreeMap::new(), BTreeMap::new());
        for message in servers.iter().flat_map(|server| server.messages()) {
            assert_eq!(message.to.len(), 1, "one recipient per message");
            let of = match message.answer {
                Some(_) if message.was_accepted() => &mut yes,
                Some(_) => continue,
                None => &mut unanswered,
            };
            *of.entry(message.to[0].clone()).or_insert(0_u32) += 1;
        }
        for delivery in &deliveries {
            let who = delivery.address.to_string();
            let told_yes = yes.get(&who).copied().unwrap_or_default();
            let on_the_wire = told_yes + unanswered.get(&who).copied().unwrap_or_default();
            let state = delivery.state;
            assert!(on_the_wire <= 1, "{who} may have {on_the_wire} copies ({state})");
            if on_the_wire > 0 {
                let knows =
                    matches!(state, DeliveryState::Accepted | DeliveryState::Unknown | DeliveryState::Intent);
                assert!(knows, "{who} is on the wire and the journal says {state}");
            }
            if state == DeliveryState::Accepted {
                assert_eq!(told_yes, 1, "{who} is said to be accepted");
            }
        }
        totals
    }
}

/// A chain link over SMTP, with deadlines short enough for a test.
pub(crate) fn link(name: &str, server: &RunningSmtp, lanes: usize) -> LinkConfig {
    limited(name, server, lanes, Limits::default())
}

pub(crate) fn limited(name: &str, server: &RunningSmtp, lanes: usize, limits: Limits) -> LinkConfig {
    let config = config(name, server, lanes);
    linked(Arc::new(SmtpProvider::new(config).unwrap()), limits)
}

pub(crate) fn linked(provider: Arc<dyn Provider>, limits: Limits) -> LinkConfig {
    LinkConfig { provider, limits, config_digest: [1; 32] }
}

pub(crate) fn config(name: &str, server: &RunningSmtp, lanes: usize) -> SmtpConfig {
    let short = Duration::from_secs(3);
    SmtpConfig {
        port: server.port(),
        tls: Tls::None,
        connections: lanes,
        timeouts: Timeouts { connect: short, command: short, data_block: short, data_end: short },
        ..SmtpConfig::new(ProviderName::new(name).unwrap(), "127.0.0.1")
    }
}

pub(crate) fn login(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: user.to_owned(), password: password.to_owned().into() })
}

/// Renders a plain message, the same bytes each time.
pub(crate) struct Plain;

impl Render for Plain {
    fn needs(&self) -> Needs {
        Needs { size_bytes: 1_000, ..Needs::default() }
    }

    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused> {
        Ok(message_to(&delivery.address.to_string()))
    }
}
