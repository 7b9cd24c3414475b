//! The `Authentication-Results` field (RFC 8601): what was found, in words that mail filters read.

use std::fmt::Write as _;

use super::{DkimLine, DmarcLine};
use crate::spf;

/// The field on one line. What came from the message stands in quotes, without anything that ends them.
#[must_use]
pub fn authentication_results(
    authserv_id: &str,
    from: Option<&str>,
    dkim: &[DkimLine],
    spf: Option<&spf::Verdict>,
    dmarc: &DmarcLine,
) -> String {
    let who = if authserv_id.is_empty() { "localhost" } else { authserv_id };
    let mut line = format!("Authentication-Results: {who}");
    if dkim.is_empty() {
        line.push_str("; dkim=none");
    }
    for signature in dkim {
        let _ = write!(line, "; dkim={}", signature.result.word());
        if !signature.reason.en.is_empty() {
            let _ = write!(line, " reason=\"{}\"", quoted(&signature.reason.en));
        }
        if !signature.domain.is_empty() {
            let (domain, selector, b) = (&signature.domain, &signature.selector, &signature.short_b);
            let _ = write!(line, " header.d={domain} header.s={selector} header.b={b}");
        }
    }
    if let Some(spf) = spf {
        let _ = write!(line, "; spf={} smtp.mailfrom={}", spf.result.word(), token(&spf.domain));
    }
    let _ = write!(line, "; dmarc={}", dmarc.result.word());
    if let Some(policy) = dmarc.policy {
        let _ = write!(line, " (p={})", policy.word());
    }
    if let Some(from) = from {
        let _ = write!(line, " header.from={from}");
    }
    line
}

/// The inside of a quoted string (RFC 5322, section 3.2.4).
fn quoted(text: &str) -> String {
    let harmless = |c: &char| c.is_ascii_graphic() || *c == ' ';
    text.chars().filter(harmless).map(|c| if matches!(c, '"' | '\\') { '\'' } else { c }).collect()
}

/// A name of the envelope, which anybody may have written: what is no part of a name is left out.
fn token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect()
}
