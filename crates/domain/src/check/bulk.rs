//! What large receivers want of everybody who sends to many, receiver by receiver, provider by provider.
//!
//! Each receiver has its own table of wishes, from its own page (the rules name it). Only what is proved
//! to be lacking is said: what DNS left open, or what nobody looked at, is never counted as lacking, and
//! a receiver about which nothing is said has not been promised anything either.

use super::Options;
use crate::align::{Home, Method, Proof, ProviderReport};
use crate::finding::Finding;
use crate::rules;
use crate::text::Text;

/// Something that a receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// SPF passes, for whatever domain.
    Spf,
    /// A signature passes, for whatever domain.
    Dkim,
    /// The From domain publishes a DMARC policy, `none` at least.
    Policy,
    /// One leg is aligned with the From domain.
    Aligned,
    /// The user's own sending addresses have a name that leads back to them.
    Ptr,
    /// A reader opts out with one click (RFC 8058).
    OneClick,
}

/// A receiver with what it wants.
struct Profile {
    id: &'static str,
    label: &'static str,
    /// From so many messages a day on.
    from: u32,
    wishes: &'static [Wish],
}

const PROFILES: &[Profile] = &[
    // support.google.com/a/answer/81126; senders.yahooinc.com/best-practices
    Profile {
        id: rules::BULK_GMAIL_YAHOO,
        label: "Gmail, Yahoo",
        from: 5000,
        wishes: &[Wish::Spf, Wish::Dkim, Wish::Policy, Wish::Aligned, Wish::Ptr, Wish::OneClick],
    },
    // support.microsoft.com 34cfe8f8: no wish about the unsubscribe headers, none about PTR.
    Profile {
        id: rules::BULK_MICROSOFT,
        label: "Microsoft",
        from: 5000,
        wishes: &[Wish::Spf, Wish::Dkim, Wish::Policy, Wish::Aligned],
    },
    // postmaster.orange.fr: all three pass, and PTR with FCrDNS.
    Profile {
        id: rules::BULK_ORANGE,
        label: "Orange",
        from: 1000,
        wishes: &[Wish::Spf, Wish::Dkim, Wish::Policy, Wish::Aligned, Wish::Ptr],
    },
];

/// `hosts` are the findings about sending addresses, which say whose names do not lead back.
pub(super) fn findings(
    home: &Home,
    reports: &[ProviderReport],
    hosts: &[Finding],
    options: &Options,
) -> Vec<Finding> {
    if reports.is_empty() || home.discovery.is_temporary {
        return Vec::new();
    }
    let seen = Seen { no_policy: home.discovery.policy().is_none(), hosts, one_click: options.one_click };
    PROFILES.iter().filter_map(|profile| judge(profile, home, reports, &seen)).collect()
}

/// What was seen of the domain and of the user's own hosts.
struct Seen<'a> {
    no_policy: bool,
    hosts: &'a [Finding],
    one_click: Option<bool>,
}

fn judge(profile: &Profile, home: &Home, reports: &[ProviderReport], seen: &Seen<'_>) -> Option<Finding> {
    let lacking: Vec<Text> = reports.iter().filter_map(|report| lacks(profile, report, seen)).collect();
    if lacking.is_empty() {
        return None;
    }
    let (label, from, domain) = (profile.label, profile.from, &home.domain);
    let joined =
        |of: fn(&Text) -> &str, between: &str| lacking.iter().map(of).collect::<Vec<_>>().join(between);
    let message = Text {
        en: format!(
            "{label}: from {from} messages a day mail from {domain} is refused or marked as spam, for want of {}",
            joined(|text| &text.en, "; ")
        ),
        fr: format!(
            "{label} : à partir de {from} messages par jour, le courrier de {domain} est refusé ou classé indésirable, faute de {}",
            joined(|text| &text.fr, " ; ")
        ),
    };
    Some(Finding::warn(profile.id, message).at(domain.clone()))
}

/// What one provider provably lacks: `Brevo: DKIM, DMARC`.
fn lacks(profile: &Profile, report: &ProviderReport, seen: &Seen<'_>) -> Option<Text> {
    let lacking: Vec<Wish> =
        profile.wishes.iter().copied().filter(|wish| wish.is_lacking(report, seen)).collect();
    let mut words: Vec<_> = lacking.iter().map(|wish| wish.words()).collect();
    // A policy that is missing and a leg that is not aligned are both DMARC: said once.
    words.dedup();
    let label = report.provider.kind.label();
    let joined = |words: Vec<&str>| words.join(", ");
    (!words.is_empty()).then(|| Text {
        en: format!("{label} {}", joined(words.iter().map(|(en, _)| *en).collect())),
        fr: format!("{label} {}", joined(words.iter().map(|(_, fr)| *fr).collect())),
    })
}

impl Wish {
    fn is_lacking(self, report: &ProviderReport, seen: &Seen<'_>) -> bool {
        let fails = |method| report.leg(method).is_some_and(|leg| leg.passes == Proof::No);
        match self {
            Self::Spf => fails(Method::Spf),
            Self::Dkim => fails(Method::Dkim),
            Self::Policy => seen.no_policy,
            Self::Aligned => report.aligned == Proof::No,
            Self::Ptr => seen.hosts.iter().any(|finding| {
                finding.id == rules::HOST_PTR && finding.provider.as_ref() == Some(&report.provider.name)
            }),
            Self::OneClick => seen.one_click == Some(false),
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Spf => ("SPF", "SPF"),
            Self::Dkim => ("DKIM", "DKIM"),
            Self::Policy | Self::Aligned => ("DMARC", "DMARC"),
            Self::Ptr => ("PTR", "PTR"),
            Self::OneClick => ("one-click unsubscribe (RFC 8058)", "désinscription en un clic (RFC 8058)"),
        }
    }
}
