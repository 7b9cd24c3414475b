//! Domain names as text: labels between dots, without a final dot, compared without regard to case.
//!
//! DNS labels are bytes (RFC 2181, section 11) and SPF macros can put odd ones into a query, so
//! nothing here refuses a label for its characters; only lengths are bounded (RFC 1035, section 2.3.4).

/// The most octets a name may have in text form, without its final dot (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 253;
/// The most octets one label may have (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// Lower-cases a name (ASCII only) and drops one final dot.
#[must_use]
pub fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Turns what a person typed into the name DNS knows: IDNA A-labels, lower case, no final dot.
///
/// Underscore labels (`_dmarc`, `_domainkey`) are kept. `None` when it is not a domain name.
#[must_use]
pub fn from_user(text: &str) -> Option<String> {
    let trimmed = normal(text.trim());
    let ascii = if trimmed.is_ascii() { trimmed } else { idna::domain_to_ascii(&trimmed).ok()? };
    let harmless = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let whole = is_well_formed(&ascii) && labels(&ascii).all(|label| label.chars().all(harmless));
    whole.then_some(ascii)
}

/// The name as a person reads it: A-labels turned back into Unicode where that is safe.
#[must_use]
pub fn for_display(name: &str) -> String {
    let (text, outcome) = idna::domain_to_unicode(name);
    if outcome.is_ok() { text } else { name.to_owned() }
}

/// The labels of a name, from left to right.
pub fn labels(name: &str) -> impl DoubleEndedIterator<Item = &str> {
    name.strip_suffix('.').unwrap_or(name).split('.')
}

/// Whether every label has 1 to 63 octets and the whole at most 253.
#[must_use]
pub fn is_well_formed(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name);
    !bare.is_empty()
        && bare.len() <= MAX_NAME
        && bare.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len()))
}

/// Whether two names are the same (ASCII case does not count, nor does a final dot).
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a.strip_suffix('.').unwrap_or(a).eq_ignore_ascii_case(b.strip_suffix('.').unwrap_or(b))
}

/// Whether `name` is `zone` itself or lies below it.
#[must_use]
pub fn is_within(name: &str, zone: &str) -> bool {
    let (name, zone) = (normal(name), normal(zone));
    zone.is_empty() || name == zone || name.strip_suffix(&zone).is_some_and(|left| left.ends_with('.'))
}

/// The name one label up, or `None` for a single label.
#[must_use]
pub fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

/// The registrable domain by the public suffix list (`exemple.fr` for `presse.exemple.fr`).
///
/// `None` for a public suffix itself and for what is no name. Only a hint for people, about DNSSEC, name
/// servers and operators: DMARC itself walks the tree (RFC 9989, section 4.10).
#[must_use]
pub fn registrable(name: &str) -> Option<String> {
    let lower = normal(name);
    // A leading dot is no name (the list's own tests).
    if !is_well_formed(&lower) {
        return None;
    }
    psl::domain_str(&lower).map(str::to_owned)
}

/// The domain of a mail address, after the last `@`; the whole text when there is none.
#[must_use]
pub fn of_address(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lies_within_its_zone_only_at_a_label_border() {
        assert!(is_within("a.Example.org.", "example.ORG"));
        assert!(is_within("example.org", "example.org"));
        assert!(!is_within("badexample.org", "example.org"));
    }

    #[test]
    fn unicode_names_become_a_labels() {
        assert_eq!(from_user("Événement.fr.").as_deref(), Some("xn--vnement-9xab.fr"));
        assert_eq!(from_user("a..b"), None);
        assert_eq!(from_user("exa mple.fr"), None);
    }
}
