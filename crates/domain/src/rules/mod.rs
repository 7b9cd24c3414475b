//! The rules by their stable ids: what each means, in plain words, where it comes from, how to mend it.
//!
//! An id never changes its meaning; a rule that goes leaves its id unused.

mod authentication;
mod surroundings;

use crate::text::Lang;

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// The standard, or the receiver's page, that it comes from.
    pub reference: &'static str,
    /// English: what it is about, what it means, what to do.
    pub en: Words,
    /// French: the same.
    pub fr: Words,
}

/// A rule's words in one language.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// What it is about, as a heading.
    pub title: &'static str,
    /// What it means for mail.
    pub meaning: &'static str,
    /// What to do.
    pub cure: &'static str,
}

impl Rule {
    /// Its words in a language.
    #[must_use]
    pub fn words(&self, lang: Lang) -> &Words {
        match lang {
            Lang::En => &self.en,
            Lang::Fr => &self.fr,
        }
    }
}

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    authentication::RULES.iter().chain(surroundings::RULES)
}

/// The rule of that id; case does not count.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id.eq_ignore_ascii_case(id.trim()))
}

/// The long text of a rule: `None` when nobody knows that id.
#[must_use]
pub fn explain(id: &str, lang: Lang) -> Option<String> {
    let rule = rule(id)?;
    let words = rule.words(lang);
    let (cure, source) = match lang {
        Lang::En => ("What to do:", "Where it comes from:"),
        Lang::Fr => ("Que faire :", "D'où vient la règle :"),
    };
    Some(format!(
        "{}: {}\n\n{}\n\n{cure} {}\n{source} {}\n",
        rule.id, words.title, words.meaning, words.cure, rule.reference
    ))
}

macro_rules! ids {
    ($($name:ident = $id:literal),+ $(,)?) => {
        $(#[doc = concat!("`", $id, "`")] pub const $name: &str = $id;)+
        #[cfg(test)]
        const IDS: &[&str] = &[$($id),+];
    };
}

ids! {
    PROV_ALIGN = "PROV-ALIGN",
    PROV_FROM_REWRITE = "PROV-FROM-REWRITE",
    PROV_DKIM_CNAME = "PROV-DKIM-CNAME",
    PROV_LEG_LOST = "PROV-LEG-LOST",
    DMARC_PROV_POLICY = "DMARC-PROV-POLICY",
    SPF_MISSING = "SPF-MISSING",
    SPF_SEVERAL = "SPF-SEVERAL",
    SPF_SYNTAX = "SPF-SYNTAX",
    SPF_LOOKUPS = "SPF-LOOKUPS",
    SPF_VOID = "SPF-VOID",
    SPF_INCLUDE = "SPF-INCLUDE",
    SPF_ALL = "SPF-ALL",
    SPF_PTR = "SPF-PTR",
    SPF_USELESS = "SPF-USELESS",
    SPF_SIZE = "SPF-SIZE",
    DKIM_KEY = "DKIM-KEY",
    DKIM_SHORT = "DKIM-SHORT",
    DKIM_TESTING = "DKIM-TESTING",
    DKIM_UNKNOWN = "DKIM-UNKNOWN",
    DMARC_MISSING = "DMARC-MISSING",
    DMARC_SEVERAL = "DMARC-SEVERAL",
    DMARC_SYNTAX = "DMARC-SYNTAX",
    DMARC_REMOVED = "DMARC-REMOVED",
    DMARC_NONE = "DMARC-NONE",
    DMARC_TESTING = "DMARC-TESTING",
    DMARC_SUBDOMAIN = "DMARC-SUBDOMAIN",
    DMARC_NO_REPORTS = "DMARC-NO-REPORTS",
    DMARC_EXTERNAL = "DMARC-EXTERNAL",
    DNS_UNCHECKED = "DNS-UNCHECKED",
    DNS_NO_DOMAIN = "DNS-NO-DOMAIN",
    DNS_SPOF = "DNS-SPOF",
    DNS_TTL = "DNS-TTL",
    DNSSEC = "DNSSEC",
    MX_MISSING = "MX-MISSING",
    MX_BROKEN = "MX-BROKEN",
    HOST_PTR = "HOST-PTR",
    TLS_RPT = "TLS-RPT",
    MTA_STS = "MTA-STS",
    MTA_STS_POLICY = "MTA-STS-POLICY",
    MTA_STS_MX = "MTA-STS-MX",
    MTA_STS_MODE = "MTA-STS-MODE",
    BIMI = "BIMI",
    BULK_GMAIL_YAHOO = "BULK-GMAIL-YAHOO",
    BULK_MICROSOFT = "BULK-MICROSOFT",
    BULK_ORANGE = "BULK-ORANGE",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_its_rule_and_every_rule_its_id_once() {
        for id in IDS {
            assert_eq!(all().filter(|rule| rule.id == *id).count(), 1, "{id}");
        }
        assert_eq!(all().count(), IDS.len());
    }

    #[test]
    fn every_rule_speaks_both_languages_and_names_its_source() {
        for rule in all() {
            for words in [rule.en, rule.fr] {
                assert!(!words.title.is_empty() && words.meaning.ends_with('.') && !words.cure.is_empty());
            }
            assert_ne!(rule.en.meaning, rule.fr.meaning, "{}", rule.id);
            assert!(!rule.reference.is_empty());
        }
    }

    #[test]
    fn an_unknown_id_is_not_explained() {
        assert_eq!(explain("SPF-NONSENSE", Lang::En), None);
        assert!(explain("prov-align", Lang::Fr).unwrap().starts_with("PROV-ALIGN: "));
    }
}
