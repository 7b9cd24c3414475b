//! Which language a page speaks.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// French.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// The BCP 47 tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// The one that is asked for in the link (`?lang=en`), else the one that the reader's browser prefers
    /// (Accept-Language, RFC 9110, section 12.5.4), else `default`.
    pub(crate) fn choose(query: Option<&str>, headers: &HeaderMap, default: Self) -> Self {
        let query = query.unwrap_or_default();
        let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang");
        if let Some(lang) = asked.and_then(|(_, value)| Self::of_tag(&value)) {
            return lang;
        }
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self::preferred(accepted).unwrap_or(default)
    }

    fn preferred(accepted: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        for range in accepted.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let Some(lang) = Self::of_tag(tag.trim()) else { continue };
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok());
            let weight: f32 = weight.unwrap_or(0.0);
            // The first of two equals stays.
            if weight > best.map_or(0.0, |(_, weight)| weight) {
                best = Some((lang, weight));
            }
        }
        best.map(|(lang, _)| lang)
    }

    fn of_tag(tag: &str) -> Option<Self> {
        match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "fr" => Some(Self::Fr),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_preference_decides_and_the_link_overrides_it() {
        let table = [
            ("", None, Lang::Fr),
            ("", Some("en-GB,en;q=0.9"), Lang::En),
            ("", Some("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"), Lang::Fr),
            ("", Some("de, en;q=0.8, fr;q=0.9"), Lang::Fr),
            ("", Some("fr;q=0, en;q=0.1"), Lang::En),
            ("", Some("EN"), Lang::En),
            ("", Some("de-DE,*"), Lang::Fr),
            ("", Some("en;q=nonsense,;;,q="), Lang::Fr),
            ("lang=en", Some("fr"), Lang::En),
            ("utm=1&lang=fr", Some("en"), Lang::Fr),
            ("lang=xx", Some("en"), Lang::En),
        ];
        for (query, accepted, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(ACCEPT_LANGUAGE, accepted.parse().unwrap());
            }

            assert_eq!(Lang::choose(Some(query), &headers, Lang::Fr), expected, "{query} {accepted:?}");
        }
    }
}
