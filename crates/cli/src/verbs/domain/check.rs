//! `domain check`: whether every provider can pass DMARC, and what to paste when one cannot.

use depeche::domain::baseline::{Baseline, Drift};
use depeche::domain::check::{DomainReport, Options, check};
use depeche::domain::finding::{Finding, Severity};
use depeche::domain::report;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::door::Door;
use super::{baseline, chain, language, witness};
use crate::args::{DomainCheck, DomainFormat, FailOn};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;

/// So many domains are checked at a time.
const AT_ONCE: usize = 8;

/// Does what was asked.
pub(crate) async fn run(asked: &DomainCheck, context: &Context<'_>) -> Done {
    let mut providers = chain::providers(&asked.provider, chain::Keys::AtHand, context)?;
    let reply_to = context.config_if_any()?.and_then(|config| config.identity.reply_to);
    let origin = asked.domains.first().map(String::as_str).unwrap_or_default();
    let door = Door::open(&asked.dns, origin, context)?;
    witness::hear(asked, &mut providers, &door, context).await?;
    let options = Options {
        selectors: asked.selector.clone(),
        reply_to: reply_to.map(|address| address.domain().to_owned()),
        policies: door.policies(),
    };
    let now = context.clock.now();
    let one = |domain: &String| {
        let (domain, door, providers, options) = (domain.clone(), &door, &providers, &options);
        async move { check(door.dns(), &domain, providers, options, now).await }
    };
    let mut reports = Vec::new();
    let mut checks = stream::iter(asked.domains.iter().map(one)).buffered(AT_ONCE);
    while let Some(checked) = checks.next().await {
        let report = checked.map_err(|error| {
            Failure::usage("domain.name", say!(context.out, "not-a-domain", text = &error.0))
        })?;
        if asked.domains.len() > 1 {
            let (done, all) = (reports.len() + 1, asked.domains.len());
            context.out.note(say!(
                context.out,
                "domain-progress",
                done = done,
                all = all,
                domain = &report.domain
            ));
        }
        reports.push(report);
    }
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
            let place =
                |report: &DomainReport, finding: &Finding| locate(report, finding, asked, door, context);
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

/// Where a code host shows a finding: at its record in the zone file, else at its provider in
/// depeche.toml.
fn locate(
    _report: &DomainReport,
    finding: &Finding,
    asked: &DomainCheck,
    door: &Door,
    context: &Context<'_>,
) -> report::Location {
    if let Some(file) = &asked.dns.zone {
        let line = finding.name.as_deref().and_then(|name| door.line_of(name)).unwrap_or(1);
        return report::Location { uri: file.display().to_string(), line };
    }
    let file = context.config_file().unwrap_or(std::path::Path::new(crate::config::FILE_NAME));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let names_it = |line: &str, name: &str| {
        line.trim_start().starts_with("name") && line.contains(&format!("\"{name}\""))
    };
    let at = finding.provider.as_deref().and_then(|name| text.lines().position(|line| names_it(line, name)));
    report::Location { uri: file.display().to_string(), line: at.map_or(1, |index| index + 1) }
}
