//! The file that a check is compared with: read before, written after.

use std::path::Path;

use depeche::domain::baseline::Baseline;
use depeche::domain::check::DomainReport;

use crate::args::DomainCheck;
use crate::context::Context;
use crate::failure::Failure;
use crate::verbs::contacts;
use crate::words::say;

/// The baseline in a file.
pub(super) fn read(file: &Path) -> Result<Baseline, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
    let unreadable = |error| Failure::usage("domain.baseline", format!("{}: {error}", file.display()));
    Baseline::from_json(&text).map_err(unreadable)
}

/// Writes a baseline when that was asked for. A domain about which DNS left something open stays as it
/// is in `known`.
pub(super) fn write(
    asked: &DomainCheck,
    mut known: Baseline,
    reports: &[DomainReport],
    context: &Context<'_>,
) -> Result<(), Failure> {
    let Some(file) = &asked.write_baseline else { return Ok(()) };
    let shown = file.display().to_string();
    let (kept, open): (Vec<_>, Vec<_>) = reports.iter().partition(|report| known.keep(report));
    for report in open {
        let domain = &report.domain;
        context.out.warn(say!(context.out, "baseline-open", domain = domain, file = &shown));
    }
    contacts::save(file, known.to_json().as_bytes())?;
    let domains: Vec<&str> = kept.iter().map(|report| report.domain.as_str()).collect();
    if !domains.is_empty() {
        context.out.note(say!(context.out, "baseline-kept", file = &shown, domains = domains.join(", ")));
    }
    Ok(())
}
