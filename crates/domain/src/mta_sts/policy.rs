//! The policy file (RFC 8461, section 3.2): lines of `name: value`, read as a sender reads them.

use crate::name;
use crate::span::Span;
use crate::text::{Text, both};

/// The longest that a policy may ask to be kept, in seconds: about a year (RFC 8461, section 3.2).
pub const MAX_AGE: u32 = 31_557_600;
/// Kept for less than that, in seconds, a policy hardly protects.
const SHORT_AGE: u32 = 86_400;
/// "Weeks or greater" is what the RFC expects, in seconds.
const EXPECTED_AGE: u32 = 604_800;

/// What senders do with an MX that the policy does not cover, or that does not encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They do not deliver to it.
    Enforce,
    /// They deliver, and report it.
    Testing,
    /// There is no policy (any more).
    None,
}

/// A host name, or `*.` and one, which stands for exactly one more label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxPattern(String);

impl MxPattern {
    /// Whether an exchanger is meant (RFC 8461, section 4.1).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            Some(rest) => name::parent(host).is_some_and(|parent| name::same(parent, rest)),
            None => name::same(host, &self.0),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let host = text.strip_prefix("*.").unwrap_or(text);
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        (name::is_well_formed(host) && host.chars().all(fit)).then(|| Self(text.to_owned()))
    }
}

/// Something about a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyIssue {
    /// What, in a sentence.
    pub message: Text,
    /// The line it is on, without its end; empty when something is missing.
    pub line: String,
    /// The place in that line.
    pub span: Option<Span>,
    /// Whether senders take the whole policy as absent.
    pub fatal: bool,
    /// Whether it is merely worth knowing.
    pub harmless: bool,
}

/// A policy, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What senders shall do.
    pub mode: Option<Mode>,
    /// The exchangers that senders may deliver to.
    pub mx: Vec<MxPattern>,
    /// Seconds for which senders keep it; `None` when it is missing or no number up to [`MAX_AGE`].
    pub max_age: Option<u32>,
    /// What is to be said about it, in the order of the lines.
    pub issues: Vec<PolicyIssue>,
}

impl Policy {
    /// Whether senders can use it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.issues.iter().all(|issue| !issue.fatal)
    }

    /// Whether one of the patterns covers an exchanger.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| pattern.covers(host))
    }

    fn fatal(&mut self, message: Text, line: &str, span: Option<Span>) {
        self.issues.push(PolicyIssue { message, line: line.to_owned(), span, fatal: true, harmless: false });
    }

    fn remark(&mut self, message: Text, line: &str, span: Span, harmless: bool) {
        let issue = PolicyIssue { message, line: line.to_owned(), span: Some(span), fatal: false, harmless };
        self.issues.push(issue);
    }
}

/// Reads a policy. Unknown fields are ignored, of a repeated field (but `mx`) the first counts.
#[must_use]
pub fn parse(body: &[u8]) -> Policy {
    let mut policy = Policy::default();
    let Ok(text) = std::str::from_utf8(body) else {
        policy.fatal(both!("the policy is not UTF-8", "la politique n'est pas en UTF-8"), "", None);
        return policy;
    };
    let mut seen: Vec<&str> = Vec::new();
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.trim_matches([' ', '\t']).is_empty() {
            continue;
        }
        let Some((field, value)) = line.split_once(':') else {
            let message = both!(
                "`{line}` is no line of the form `name: value`",
                "`{line}` n'est pas une ligne de la forme `nom: valeur`"
            );
            policy.fatal(message, line, Some(Span::new(0, line.len())));
            continue;
        };
        if field != "mx" && seen.contains(&field) {
            let message = both!(
                "`{field}` stands twice: the first counts",
                "`{field}` figure deux fois : le premier compte"
            );
            policy.remark(message, line, Span::new(0, line.len()), false);
            continue;
        }
        seen.push(field);
        let value = value.trim_matches([' ', '\t']);
        let start = line.len() - line[field.len() + 1..].trim_start_matches([' ', '\t']).len();
        let span = Span::new(start, start + value.len());
        read(&mut policy, field, value, line, span);
    }
    complete(&mut policy, &seen);
    policy
}

fn read(policy: &mut Policy, field: &str, value: &str, line: &str, span: Span) {
    match field {
        "version" if value != "STSv1" => {
            let message =
                both!("the version is `{value}`, not STSv1", "la version est `{value}` et non STSv1");
            policy.fatal(message, line, Some(span));
        }
        "mode" => match value {
            "enforce" => policy.mode = Some(Mode::Enforce),
            "testing" => policy.mode = Some(Mode::Testing),
            "none" => policy.mode = Some(Mode::None),
            _ => {
                let message = both!(
                    "the mode is `{value}`: only enforce, testing and none exist",
                    "le mode est `{value}` : seuls enforce, testing et none existent"
                );
                policy.fatal(message, line, Some(span));
            }
        },
        "max_age" => read_age(policy, value, line, span),
        "mx" => match MxPattern::parse(value) {
            Some(pattern) => policy.mx.push(pattern),
            None => {
                let message = both!(
                    "`{value}` is no host name, nor `*.` and one",
                    "`{value}` n'est ni un nom d'hôte, ni `*.` suivi d'un nom"
                );
                policy.fatal(message, line, Some(span));
            }
        },
        _ => {}
    }
}

fn read_age(policy: &mut Policy, value: &str, line: &str, span: Span) {
    let digits = (1..=10).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit());
    let age = value.parse::<u32>().ok().filter(|age| digits && *age <= MAX_AGE);
    policy.max_age = age;
    match age {
        None => {
            let message = both!(
                "max_age is `{value}`: it must be a number of seconds up to {MAX_AGE}",
                "max_age vaut `{value}` : il faut un nombre de secondes, au plus {MAX_AGE}"
            );
            policy.fatal(message, line, Some(span));
        }
        Some(age) if age < SHORT_AGE => {
            let message = both!(
                "senders forget the policy after {age} seconds: whoever can block its host for so long gets your mail in the clear",
                "la politique est oubliée après {age} secondes : qui bloque son serveur aussi longtemps reçoit votre courrier en clair"
            );
            policy.remark(message, line, span, false);
        }
        Some(age) if age < EXPECTED_AGE => {
            let days = age / SHORT_AGE;
            let message = both!(
                "senders keep the policy for {days} days; weeks are usual",
                "la politique est gardée {days} jours ; l'usage est de plusieurs semaines"
            );
            policy.remark(message, line, span, true);
        }
        Some(_) => {}
    }
}

/// What every policy must hold; `mx` only where there is a policy at all.
fn complete(policy: &mut Policy, seen: &[&str]) {
    let needs_mx = policy.mode != Some(Mode::None);
    for field in ["version", "mode", "max_age", "mx"] {
        if !seen.contains(&field) && (field != "mx" || needs_mx) {
            let message = both!("the policy has no `{field}`", "la politique n'a pas de `{field}`");
            policy.fatal(message, "", None);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8461, section 3.2.
    const EXAMPLE: &str = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n";

    #[test]
    fn the_policy_of_the_rfc_is_read_whole() {
        for text in [EXAMPLE.to_owned(), EXAMPLE.replace('\n', "\r\n"), EXAMPLE.trim_end().to_owned()] {
            let policy = parse(text.as_bytes());

            assert_eq!(policy.issues, []);
            assert_eq!((policy.mode, policy.max_age), (Some(Mode::Enforce), Some(604_800)));
            let patterns: Vec<_> = policy.mx.iter().map(MxPattern::text).collect();
            assert_eq!(patterns, ["mail.example.com", "*.example.net", "backupmx.example.com"]);
        }
    }

    /// RFC 8461, section 4.1: the asterisk stands for one label, the left-most.
    #[test]
    fn an_asterisk_stands_for_exactly_one_label() {
        let policy = parse(EXAMPLE.as_bytes());
        for (host, covered) in [
            ("mail.example.com", true),
            ("MAIL.Example.com.", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("mail.example.com.evil.example", false),
            ("other.example.com", false),
        ] {
            assert_eq!(policy.covers(host), covered, "{host}");
        }
    }

    #[test]
    fn each_broken_line_is_named_with_its_place() {
        for (from, to, place) in [
            ("version: STSv1", "version: STSv2", "STSv2"),
            ("mode: enforce", "mode: Enforce", "Enforce"),
            ("max_age: 604800", "max_age: 31557601", "31557601"),
            ("max_age: 604800", "max_age: -1", "-1"),
            ("max_age: 604800", "max_age: 00000604800", "00000604800"),
            ("mx: mail.example.com", "mx: *", "*"),
            ("mx: mail.example.com", "mx: a.*.example.com", "a.*.example.com"),
            ("mx: mail.example.com", "mx:   ", ""),
            ("mx: mail.example.com", "# our mail", "# our mail"),
        ] {
            let policy = parse(EXAMPLE.replace(from, to).as_bytes());

            assert!(!policy.is_valid(), "{to}");
            assert_eq!(policy.issues.len(), 1, "{to}: {:?}", policy.issues);
            let issue = &policy.issues[0];
            assert_eq!(issue.span.unwrap().of(&issue.line), place, "{to}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_mode_none_needs_no_mx() {
        for field in ["version", "mode", "max_age", "mx"] {
            let text: String =
                EXAMPLE.lines().filter(|line| !line.starts_with(field)).map(|l| format!("{l}\n")).collect();
            let policy = parse(text.as_bytes());

            assert_eq!(policy.issues.len(), 1, "{field}");
            assert!(policy.issues[0].message.en.contains(&format!("`{field}`")), "{field}");
        }
        assert!(parse(b"version: STSv1\nmode: none\nmax_age: 86400").is_valid());
    }

    #[test]
    fn unknown_fields_are_ignored_and_of_a_repeated_one_the_first_counts() {
        let policy = parse(format!("{EXAMPLE}future: x\nmode: none\n").as_bytes());

        assert!(policy.is_valid());
        assert_eq!(policy.mode, Some(Mode::Enforce));
        assert_eq!(policy.issues.len(), 1);
    }

    #[test]
    fn a_policy_that_is_soon_forgotten_is_said_to_be() {
        for (age, issues, harmless) in [
            (86_399, 1, false),
            (86_400, 1, true),
            (604_799, 1, true),
            (604_800, 0, true),
            (MAX_AGE, 0, true),
        ] {
            let policy = parse(EXAMPLE.replace("604800", &age.to_string()).as_bytes());

            assert!(policy.is_valid(), "{age}");
            assert_eq!(policy.issues.len(), issues, "{age}");
            assert!(policy.issues.iter().all(|issue| issue.harmless == harmless), "{age}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_break_the_parser_and_spans_lie_in_their_lines(body in prop::collection::vec(any::<u8>(), 0..400)) {
            for issue in parse(&body).issues {
                let Some(span) = issue.span else { continue };
                prop_assert!(issue.line.get(span.start..span.end).is_some());
            }
        }

        #[test]
        fn lines_of_fields_break_nothing(lines in prop::collection::vec("(version|mode|mx|max_age|x)?[: ]{0,3}[*.a-zé0-9-]{0,12}", 0..8)) {
            for issue in parse(lines.join("\n").as_bytes()).issues {
                let Some(span) = issue.span else { continue };
                prop_assert!(issue.line.get(span.start..span.end).is_some());
            }
        }
    }
}
