//! What large receivers want of everybody who sends to many, provider by provider.

use crate::align::{Home, Method, Proof, ProviderReport};
use crate::finding::Finding;
use crate::rules;
use crate::text::both;

/// A receiver, and whether each of its wishes must be proven.
struct Profile {
    id: &'static str,
    label: &'static str,
}

/// All three want SPF and DKIM to pass, and DMARC: they differ in what they answer (see the rules).
const PROFILES: &[Profile] = &[
    Profile { id: rules::BULK_GMAIL_YAHOO, label: "Gmail, Yahoo" },
    Profile { id: rules::BULK_MICROSOFT, label: "Microsoft" },
    Profile { id: rules::BULK_ORANGE, label: "Orange" },
];

pub(super) fn findings(home: &Home, reports: &[ProviderReport]) -> Vec<Finding> {
    if reports.is_empty() || home.discovery.is_temporary {
        return Vec::new();
    }
    let no_policy = home.discovery.policy().is_none();
    let lacking: Vec<_> = reports.iter().filter_map(|report| lacks(report, no_policy)).collect();
    if lacking.is_empty() {
        return Vec::new();
    }
    let shown = lacking.join("; ");
    let finding = |profile: &Profile| {
        let label = profile.label;
        let message = both!(
            "{label}: mail in numbers from {} will be refused, for want of {shown}",
            "{label} : les envois en nombre de {} seront refusés, faute de {shown}",
            home.domain
        );
        Finding::warn(profile.id, message).at(home.domain.clone())
    };
    PROFILES.iter().map(finding).collect()
}

/// What one provider provably lacks: `Brevo DKIM, DMARC`.
fn lacks(report: &ProviderReport, no_policy: bool) -> Option<String> {
    let fails = |method| report.leg(method).is_some_and(|leg| leg.passes == Proof::No);
    let mut missing = Vec::new();
    if fails(Method::Spf) {
        missing.push("SPF");
    }
    if fails(Method::Dkim) {
        missing.push("DKIM");
    }
    if no_policy || report.aligned == Proof::No {
        missing.push("DMARC");
    }
    (!missing.is_empty()).then(|| format!("{} {}", report.provider.kind.label(), missing.join(", ")))
}
