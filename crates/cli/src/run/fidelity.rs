//! What each provider of the route will change of a release, said before anything is sent.
//!
//! A pure reading of depeche.toml and of the frozen release; the facts are those of docs/providers.
//! What only a received copy shows is for `message compare`.

use depeche::release::FrozenRelease;
use serde_json::{Value, json};

use super::admission::Verdict;
use crate::config::{Kind, ProviderConfig};
use crate::context::Context;
use crate::failure::Failure;
use crate::out::Out;
use crate::words::say;

/// What one provider makes of the release.
#[derive(Debug)]
pub(crate) struct Fidelity {
    /// Its name.
    pub(crate) provider: String,
    /// False: the engine goes on with the next provider.
    pub(crate) carries: bool,
    /// A stable word and a sentence each.
    pub(crate) changes: Vec<(&'static str, String)>,
}

impl Fidelity {
    /// What `one` makes of the release for `count` recipients.
    pub(crate) fn of(
        one: &ProviderConfig,
        (release, count): (&FrozenRelease, u64),
        verdict: Option<&Verdict>,
        out: &Out,
    ) -> Self {
        let mut found = Self { provider: one.name.to_string(), carries: true, changes: Vec::new() };
        match &one.kind {
            Kind::Brevo(_) => found.brevo(release, verdict, out),
            Kind::Transactional(account) => {
                if account.mode == depeche::providers::mailchimp::transactional::Mode::Parts {
                    found.sender_name(release, out);
                    found.plain_names(release, out);
                } else {
                    found.tracking(out);
                }
            }
            Kind::Smtp(smtp) => {
                let tracks = ["brevo-smtp", "mailchimp-transactional-smtp"];
                if smtp.preset.is_some_and(|preset| tracks.contains(&preset)) {
                    found.tracking(out);
                }
            }
            Kind::Campaign(_) => found.campaign((release, count), verdict, out),
            Kind::Outbox(_) => {}
        }
        found
    }

    fn brevo(&mut self, release: &FrozenRelease, verdict: Option<&Verdict>, out: &Out) {
        self.tracking(out);
        self.changes.push(("message-id", say!(out, "plan-change-message-id")));
        self.sender_name(release, out);
        self.plain_names(release, out);
        self.images(release, out);
        if matches!(verdict, Some(Verdict::Fails(_) | Verdict::Blocked(_))) {
            self.changes.push(("from", say!(out, "plan-change-from")));
        }
    }

    fn campaign(&mut self, (release, count): (&FrozenRelease, u64), verdict: Option<&Verdict>, out: &Out) {
        if let Err(reason) = release.merge_form() {
            self.carries = false;
            self.changes.push((
                "campaign",
                say!(out, "plan-cannot-campaign", reason = out.words.library(&reason.to_string())),
            ));
            return;
        }
        let most = depeche::providers::mailchimp::campaign::MOST as u64;
        let campaigns = count.div_ceil(most).max(1);
        let members = say!(out, "plan-change-members", campaigns = campaigns, most = most);
        self.changes.push(("campaign-members", members));
        self.changes.push(("campaign-alone", say!(out, "plan-change-alone")));
        self.changes.push(("message-id", say!(out, "plan-change-message-id")));
        self.changes.push(("opt-out", say!(out, "plan-change-opt-out")));
        let own = release.identity.reply_to.as_ref().filter(|own| **own != release.identity.from.address);
        if let Some(own) = own {
            self.changes.push(("reply-to", say!(out, "plan-change-reply-to", address = own.to_string())));
        }
        self.images(release, out);
        if matches!(verdict, Some(Verdict::Fails(_) | Verdict::Blocked(_))) {
            self.changes.push(("from", say!(out, "plan-change-from")));
        }
    }

    fn tracking(&mut self, out: &Out) {
        self.changes.push(("tracking", say!(out, "plan-change-tracking")));
    }

    /// A long name is cut, and one with accents may lose its commas.
    fn sender_name(&mut self, release: &FrozenRelease, out: &Out) {
        let Some(name) = release.identity.from.name.as_ref().filter(|name| !name.is_blank()) else { return };
        let shown = depeche::providers::http::names::shown_name(name.as_str());
        if shown != name.as_str() {
            self.changes.push(("sender-name", say!(out, "plan-change-sender-name", name = shown)));
        }
    }

    fn plain_names(&mut self, release: &FrozenRelease, out: &Out) {
        let plain: Vec<String> = release
            .attachments
            .iter()
            .map(|path| path.rsplit('/').next().unwrap_or(path))
            .map(|name| (name, depeche::providers::http::names::file_name(name)))
            .filter(|(name, plain)| name != plain)
            .map(|(_, plain)| plain)
            .collect();
        if !plain.is_empty() {
            self.changes.push(("file-names", say!(out, "plan-change-file-names", names = plain.join(", "))));
        }
    }

    /// Images go by link, or elsewhere.
    fn images(&mut self, release: &FrozenRelease, out: &Out) {
        let has_url = |at: usize| release.image_urls.get(at).is_some_and(Option::is_some);
        let (linked, without): (Vec<_>, Vec<_>) =
            release.images.iter().enumerate().partition(|(at, _)| has_url(*at));
        let names = |images: &[(usize, &String)]| {
            images.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        if !without.is_empty() {
            self.carries = false;
            self.changes.push(("images", say!(out, "plan-cannot-images", names = names(&without))));
        } else if !linked.is_empty() {
            let names = names(&linked);
            self.changes.push(("images-linked", say!(out, "plan-change-images-linked", names = names)));
        }
    }

    /// For the plan's document.
    pub(crate) fn documents(&self) -> impl Iterator<Item = Value> {
        self.changes.iter().map(|(code, sentence)| {
            json!({ "provider": self.provider, "code": code, "message": sentence, "carries": self.carries })
        })
    }
}

/// A release that no provider of the route can carry is a slip of the user's, found before anybody is
/// asked to confirm.
pub(crate) fn somebody_carries(found: &[Fidelity], context: &Context<'_>) -> Result<(), Failure> {
    if found.is_empty() || found.iter().any(|one| one.carries) {
        return Ok(());
    }
    let reasons: Vec<String> = found
        .iter()
        .flat_map(|one| one.changes.iter().map(move |(_, change)| format!("{}: {change}", one.provider)))
        .collect();
    let message = say!(context.out, "route-cannot-carry", reasons = reasons.join("\n  "));
    Err(Failure::usage("route.cannot-carry", message))
}
