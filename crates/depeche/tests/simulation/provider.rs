//! A simulated provider: it has weather, and a mood for each message.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche::budget::Limits;
use depeche::outcome::{Doubt, DoubtCause, Outcome, Persistence, Receipt, Refusal, Trouble};
use depeche::provider::{Capability, Commit, Login, Parcel, Provider, ProviderName};

use crate::world::World;

/// What a provider is like for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weather {
    /// No connection.
    Outage,
    /// Twenty seconds on, twenty seconds off.
    Flap,
    /// Too fast, it says.
    Throttled,
    /// It takes connections and says nothing.
    Silent,
    /// Answers after the message are lost.
    Deaf,
}

/// From when to when, in seconds from the beginning.
pub(crate) type Forecast = Vec<(u64, u64, Weather)>;

pub(crate) struct Simulated {
    name: ProviderName,
    world: Arc<World>,
    pub(crate) limits: Limits,
    forecast: Forecast,
    fails_at: Option<(usize, Weather)>,
    lanes: usize,
    batch: usize,
    /// Of a hundred messages so many meet something else than a yes.
    faults: u64,
}

impl Simulated {
    pub(crate) fn drawn(world: &Arc<World>, number: usize) -> Self {
        let dice = &world.dice;
        let limit = |percent, low: u64, high: u64| {
            dice.chance(percent).then(|| u32::try_from(low + dice.below(high - low)).unwrap())
        };
        let limits = Limits {
            per_second: limit(15, 1, 10),
            per_minute: limit(30, 3, 30),
            per_hour: limit(20, 5, 60),
            per_day: limit(20, 5, 60),
        };
        let spell = |_| {
            use Weather as W;
            let begin = dice.below(7_200);
            let (weather, length) = match dice.below(6) {
                0 => (W::Outage, 3_600 * (1 + dice.below(12))),
                1 | 2 => (W::Flap, 300),
                3 => (W::Throttled, 30 + dice.below(600)),
                4 => (W::Silent, 20 + dice.below(600)),
                _ => (W::Deaf, 5 + dice.below(60)),
            };
            // Half of the spells are there from the start, when most is sent.
            let begin = if dice.chance(50) { dice.below(10) } else { begin };
            (begin, begin + length, weather)
        };
        Self {
            name: ProviderName::new(&format!("p{number}")).unwrap(),
            world: Arc::clone(world),
            limits,
            forecast: (0..dice.below(4)).map(spell).collect(),
            fails_at: None,
            lanes: 1 + dice.below(4) as usize,
            batch: if dice.chance(70) { 1 } else { 2 + dice.below(4) as usize },
            faults: [0, 5, 20, 50][dice.below(4) as usize],
        }
    }

    /// One that makes no faults of its own until it was handed so many messages, and has this weather then.
    pub(crate) fn fair(
        world: &Arc<World>,
        name: &str,
        limits: Limits,
        fails_at: Option<(usize, Weather)>,
    ) -> Self {
        let name = ProviderName::new(name).unwrap();
        let (world, forecast) = (Arc::clone(world), Vec::new());
        Self { name, world, limits, forecast, fails_at, lanes: 2, batch: 1, faults: 0 }
    }

    fn weather(&self) -> Option<Weather> {
        if let Some((count, weather)) = self.fails_at
            && self.world.handed(self.name.as_str()) >= count
        {
            return Some(weather);
        }
        let now = self.world.simulated().as_secs();
        let found = self.forecast.iter().find(|(from, to, _)| (*from..*to).contains(&now));
        match found {
            Some((from, _, Weather::Flap)) if ((now - from) / 20) % 2 == 1 => None,
            Some((_, _, weather)) => Some(*weather),
            None => None,
        }
    }

    fn step(&self, what: &str, parcels: &[Parcel]) {
        let to = parcels[0].message.to.address.to_string();
        self.world.step(&format!("{} {what} {} {to}", self.name, parcels.len()));
    }

    async fn pass(&self, from_ms: u64, to_ms: u64) {
        tokio::time::sleep(Duration::from_millis(from_ms + self.world.dice.below(to_ms - from_ms))).await;
    }

    /// Up to the moment of the intent: a no, if there is one.
    async fn greet(&self, parcels: &[Parcel], commit: &dyn Commit) -> Option<Refusal> {
        self.pass(1, 200).await;
        match self.weather() {
            Some(Weather::Outage | Weather::Flap) => {
                return Some(Refusal::provider(Trouble::Unreachable, "connection refused"));
            }
            Some(Weather::Throttled) => {
                commit.heard();
                let rest =
                    self.world.dice.chance(50).then(|| Duration::from_secs(self.world.dice.below(120)));
                return Some(
                    Refusal::provider(Trouble::Throttled, "421 4.7.0 slow down").with_retry_after(rest),
                );
            }
            Some(Weather::Silent) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return Some(Refusal::provider(Trouble::Unreachable, "no answer in 60 s"));
            }
            Some(Weather::Deaf) | None => commit.heard(),
        }
        self.step("greets", parcels);
        let dice = &self.world.dice;
        if !dice.chance(self.faults / 2) {
            return None;
        }
        Some(match dice.below(7) {
            0 => Refusal::recipient(Persistence::Permanent, true, "550 5.1.1 no such user"),
            1 => Refusal::recipient(Persistence::Permanent, false, "550 5.7.1 opted out"),
            2 | 3 => Refusal::recipient(Persistence::Transient, false, "450 4.2.0 greylisted"),
            4 => Refusal::message("552 5.3.4 too large"),
            5 => Refusal::provider(Trouble::Fault, "503 out of order"),
            _ => Refusal::provider(Trouble::Quota, "452 4.5.3 quota spent"),
        })
    }

    /// After the intent: bytes go over the wire.
    async fn take(&self, parcels: &[Parcel], commit: &dyn Commit) -> Outcome {
        for _ in parcels {
            self.world.hand_over(self.name.as_str(), &self.limits);
        }
        self.step("is handed", parcels);
        let dice = &self.world.dice;
        self.pass(1, 100).await;
        let mood = if matches!(self.weather(), Some(Weather::Deaf)) { 2 } else { dice.below(6) };
        let calm = !matches!(self.weather(), Some(Weather::Deaf)) && !dice.chance(self.faults);
        let taken = calm || mood >= 3 || (mood == 2 && dice.chance(50));
        if taken {
            parcels.iter().for_each(|parcel| self.world.receive(&parcel.message.to.address.to_string()));
        }
        self.step(if taken { "takes" } else { "drops" }, parcels);
        let receipt = || Receipt::new(Some("id".to_owned()), "250 2.0.0 taken");
        let doubt = |cause| Outcome::Unknown(Doubt::new(cause, "no answer"));
        match (calm, mood) {
            (true, _) => {
                // As SMTP does: who comes next is asked for when this one is all but handed over.
                let _ = commit.next();
                self.pass(1, 300).await;
            }
            (false, 0) => return Outcome::Refused(Refusal::message("554 5.7.1 looks like spam")),
            (false, 1) => return Outcome::Refused(Refusal::provider(Trouble::Throttled, "451 4.7.0 later")),
            (false, 2) => return doubt(DoubtCause::LineLost),
            (false, 3) => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                return doubt(DoubtCause::TimedOut);
            }
            (false, 4) => return Outcome::Held(receipt()),
            // A late reply.
            (false, _) => self.pass(16_000, 590_000).await,
        }
        commit.heard();
        Outcome::Accepted(receipt())
    }
}

#[async_trait]
impl Provider for Simulated {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "simulated"
    }

    fn announces(&self) -> bool {
        self.batch == 1
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: None,
            inline_images: true,
            attachments: true,
            international_local_part: true,
            batch: self.batch,
            idempotent_for: None,
            lanes: self.lanes,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        self.step("is asked", parcels);
        let outcome = match self.greet(parcels, commit).await {
            Some(refusal) => Outcome::Refused(refusal),
            None => match commit.intent(None).await {
                Err(denied) => Outcome::NotStarted(denied),
                Ok(()) => self.take(parcels, commit).await,
            },
        };
        self.step("ends", parcels);
        vec![outcome; parcels.len()]
    }

    async fn login(&self) -> Result<Login, Refusal> {
        Ok(Login::default())
    }
}
