//! `domain check`: whether every provider can pass DMARC, and what to paste when one cannot.

use depeche::domain::align::Provider;
use depeche::domain::baseline::{Baseline, Drift};
use depeche::domain::check::{DomainReport, Options, check};
use depeche::domain::finding::{Finding, Severity};
use depeche::domain::name;
use depeche::domain::report;
use depeche::release::Identity;
use futures_util::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::door::Door;
use super::{baseline, chain, language, place, witness};
use crate::args::{DomainCheck, DomainFormat, FailOn};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::outage::host_of;
use crate::words::say;

/// So many domains are checked at a time.
const AT_ONCE: usize = 8;

/// Does what was asked.
pub(crate) async fn run(asked: &DomainCheck, context: &Context<'_>) -> Done {
    // Before anything is opened: a slip in a name is not the zone file's.
    let is_domain = |text: &str| name::from_user(text).is_some_and(|domain| domain.contains('.'));
    if let Some(slip) = asked.domains.iter().find(|text| !is_domain(text)) {
        return Err(not_a_domain(slip, context));
    }
    let mut providers = chain::providers(&asked.provider, chain::Keys::AtHand, context)?;
    let identity = context.config_if_any()?.map(|config| config.identity);
    let reply_to = identity.as_ref().and_then(|identity| identity.reply_to.as_ref());
    let origin = asked.domains.first().map(String::as_str).unwrap_or_default();
    let door = Door::open(&asked.dns, origin, context)?;
    witness::hear(asked, &mut providers, &door, context).await?;
    let options = Options {
        selectors: asked.selector.clone(),
        reply_to: reply_to.map(|address| address.domain().to_owned()),
        one_click: identity.as_ref().map(has_one_click),
        web_hosts: identity.iter().flat_map(pages).collect(),
        policies: door.policies(),
    };
    let reports = check_all(asked, &door, &providers, &options, context).await?;
    door.keep(&asked.dns)?;
    let fail_on = threshold(asked.fail_on);
    let Some(file) = &asked.baseline else {
        baseline::write(asked, Baseline::default(), &reports, context)?;
        show(asked, &reports, &door, context);
        return Ok(Exit::of_code(DomainReport::exit_of_all(&reports, fail_on)));
    };
    let known = baseline::read(file)?;
    let drifts: Vec<Drift> = reports.iter().map(|report| known.compare(report.clone())).collect();
    baseline::write(asked, known, &reports, context)?;
    let changed: Vec<DomainReport> = drifts.iter().map(|drift| drift.report.clone()).collect();
    show_drift(asked, &drifts, changed.clone(), &door, context);
    Ok(Exit::of_code(DomainReport::exit_of_all(&changed, fail_on)))
}

/// Some at a time; the reports in the order that was asked for.
async fn check_all(
    asked: &DomainCheck,
    door: &Door,
    providers: &[Provider],
    options: &Options,
    context: &Context<'_>,
) -> Result<Vec<DomainReport>, Failure> {
    let now = context.clock.now();
    let one = |(place, domain): (usize, &String)| {
        let (domain, door, providers, options) = (domain.clone(), door, providers, options);
        async move { (place, check(door.dns(), &domain, providers, options, now).await) }
    };
    let mut found = Vec::new();
    // As they end: a slow one does not hide those behind it.
    let mut checks = stream::iter(asked.domains.iter().enumerate().map(one)).buffer_unordered(AT_ONCE);
    let progress = Progress::new(asked.domains.len(), context);
    while let Some((place, checked)) = checks.next().await {
        let report = checked.map_err(|error| not_a_domain(&error.0, context))?;
        progress.checked(found.len() + 1, &report.domain, context);
        found.push((place, report));
    }
    progress.end();
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, report)| report).collect())
}

fn not_a_domain(text: &str, context: &Context<'_>) -> Failure {
    let failure = Failure::usage("domain.name", say!(context.out, "not-a-domain", text = text));
    match meant(text) {
        Some(near) => failure.with_hint(say!(context.out, "config-did-you-mean", name = near)),
        None => failure,
    }
}

/// The domain in an address of mail or of the web that was typed in its place.
fn meant(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = name::of_address(rest.split(['/', '?', '#', ':']).next()?);
    name::from_user(host).filter(|host| host.contains('.') && host != text)
}

/// How far a check of several domains is: a bar on a terminal, elsewhere a line for each.
struct Progress {
    all: usize,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(all: usize, context: &Context<'_>) -> Self {
        let bar = || {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
            let bar = ProgressBar::new(all as u64);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        };
        Self { all, bar: (all > 1 && context.out.draws_bars()).then(bar) }
    }

    fn checked(&self, done: usize, domain: &str, context: &Context<'_>) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(domain.to_owned());
                bar.inc(1);
            }
            None if self.all > 1 => {
                let (out, all) = (context.out, self.all);
                out.note(say!(out, "domain-progress", done = done, all = all, domain = domain));
            }
            None => {}
        }
    }

    /// Takes the bar away: the reports stand there now.
    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether readers opt out with one click: RFC 8058 wants an https address of the recipient's own.
fn has_one_click(identity: &Identity) -> bool {
    identity.unsubscribe.url.as_ref().is_some_and(|url| url.contains("{token}"))
}

/// The hosts of pages that every release leads to.
fn pages(identity: &Identity) -> Vec<String> {
    let urls = [identity.unsubscribe.url.as_deref(), identity.organisation.privacy_url.as_deref()];
    let mut hosts: Vec<String> = urls.into_iter().flatten().filter_map(host_of).collect();
    hosts.dedup();
    hosts
}

/// The drift; in the forms that a machine fails on, a provider appears only for what changed.
fn show_drift(
    asked: &DomainCheck,
    drifts: &[Drift],
    mut changed: Vec<DomainReport>,
    door: &Door,
    context: &Context<'_>,
) {
    let (out, lang, fail_on) = (context.out, language(context), threshold(asked.fail_on));
    match asked.format {
        _ if out.json => out.document(&report::drift_document(drifts, fail_on, lang)),
        DomainFormat::Json => out.raw(&format!("{:#}\n", report::drift_document(drifts, fail_on, lang))),
        DomainFormat::Markdown => out.raw(&report::drift_markdown(drifts, lang)),
        DomainFormat::Text => drifts.iter().for_each(|drift| out.raw(&report::drift_text(drift, lang))),
        DomainFormat::Sarif | DomainFormat::Junit => {
            for DomainReport { providers, findings, .. } in &mut changed {
                let is_about = |name: &str| findings.iter().any(|one| one.provider.as_deref() == Some(name));
                providers.retain(|one| is_about(&one.provider.name));
            }
            show(asked, &changed, door, context);
        }
    }
}

fn threshold(asked: FailOn) -> Severity {
    match asked {
        FailOn::Error => Severity::Error,
        FailOn::Warn => Severity::Warn,
    }
}

fn show(asked: &DomainCheck, reports: &[DomainReport], door: &Door, context: &Context<'_>) {
    let (out, lang, fail_on) = (context.out, language(context), threshold(asked.fail_on));
    let pretty = |value: &Value| format!("{value:#}\n");
    match asked.format {
        _ if out.json => out.document(&report::check_document(reports, fail_on, lang)),
        DomainFormat::Json => out.raw(&pretty(&report::check_document(reports, fail_on, lang))),
        DomainFormat::Sarif => {
            let place = |_: &DomainReport, finding: &Finding| place::locate(finding, asked, door, context);
            out.raw(&pretty(&report::sarif(reports, lang, env!("CARGO_PKG_VERSION"), place)));
        }
        DomainFormat::Junit => out.raw(&report::junit(reports, fail_on, lang)),
        DomainFormat::Markdown => out.raw(&report::markdown(reports, lang)),
        DomainFormat::Text => {
            for report in reports {
                out.raw(&report::text(report, lang));
            }
            if reports.len() > 1 {
                out.raw(&report::overview(reports, lang));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_the_place_of_a_domain_is_a_slip_with_a_guess() {
        for typed in
            ["https://exemple.fr/presse", "presse@exemple.fr", "exemple.fr:443", "http://a@exemple.fr/?x"]
        {
            assert_eq!(meant(typed).as_deref(), Some("exemple.fr"), "{typed}");
        }
        assert_eq!(meant("localhost"), None);
        assert_eq!(meant("a b.fr"), None);
    }
}
