//! The head of a release: YAML between two lines of `---`.
//!
//! Unknown keys are refused, with the nearest known one. The embargo names its zone and an hour that
//! exists there once: `2026-12-03 08:00 Europe/Paris`.

use std::collections::BTreeMap;

use jiff::ZonedDateTime;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::ReleaseProblem;
use crate::contact::nearest::nearest;
use crate::text::HeaderText;

/// The head of a release.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontMatter {
    /// The title; also the subject.
    pub title: HeaderText,
    /// A second line under the title.
    #[serde(default)]
    pub subtitle: Option<HeaderText>,
    /// `fr` or `en`.
    #[serde(default = "french")]
    pub lang: String,
    /// Names the release in runs; made from the title when absent.
    #[serde(default)]
    pub slug: Option<String>,
    /// The dateline's place.
    #[serde(default)]
    pub city: Option<HeaderText>,
    /// The dateline's day, `2026-12-03`; the day of the run when absent.
    #[serde(default)]
    pub date: Option<String>,
    /// Not before this moment.
    #[serde(default)]
    pub embargo: Option<String>,
    /// Who is quoted.
    #[serde(default)]
    pub spokesperson: Option<HeaderText>,
    /// Overrides `[press_contact]`.
    #[serde(default)]
    pub contact: Option<ContactPerson>,
    /// Photos.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Files.
    #[serde(default)]
    pub attachments: Vec<String>,
    /// Words for contacts without a field: `outlet: "votre rédaction"`.
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
}

/// `contact:` of a release.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPerson {
    /// As printed.
    pub name: HeaderText,
    /// As printed.
    pub email: crate::address::EmailAddress,
    /// As printed.
    #[serde(default)]
    pub phone: Option<HeaderText>,
}

/// One of `images:` of a release.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// In the release's folder.
    pub file: String,
    /// What it shows, for those who do not see it.
    #[serde(default)]
    pub alt: Option<String>,
    /// Under the image.
    #[serde(default)]
    pub caption: Option<String>,
    /// Who took it.
    #[serde(default)]
    pub credit: Option<String>,
    /// Where the print version is, https.
    #[serde(default)]
    pub hires: Option<String>,
    /// Where this very image is on the web, https: providers that carry no images inside a message
    /// link to it.
    #[serde(default)]
    pub url: Option<String>,
}

fn french() -> String {
    "fr".to_owned()
}

/// Cuts a source into its head, its body, and the line (from 1) on which the body begins.
pub(super) fn cut(source: &str) -> Result<(&str, &str, usize), ReleaseProblem> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut lines = source.split_inclusive('\n');
    let opens = lines.next().is_some_and(|line| line.trim_end() == "---");
    let problem = |message: &str| {
        ReleaseProblem::new("release.front-matter", 1, 1, message)
            .with_hint("a release begins with a line `---`, then `title: …`, then a line `---`")
    };
    if !opens {
        return Err(problem("there is no front matter"));
    }
    let start = source.find('\n').map_or(source.len(), |at| at + 1);
    let (mut at, mut number) = (start, 1);
    for line in lines {
        number += 1;
        if line.trim_end() == "---" {
            return Ok((&source[start..at], &source[at + line.len()..], number + 1));
        }
        at += line.len();
    }
    Err(problem("the front matter has no closing `---`"))
}

/// Reads the head.
pub(super) fn read(head: &str) -> Result<FrontMatter, ReleaseProblem> {
    serde_saphyr::from_str(head).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location();
        // The head begins on the second line of the file.
        let line = place.map_or(1, |at| usize::try_from(at.line()).unwrap_or(1) + 1);
        let column = place.map_or(1, |at| usize::try_from(at.column()).unwrap_or(1));
        let text = error.to_string();
        let message = text.lines().next().unwrap_or("not readable");
        // Its own place counts from the head, not from the file's first line.
        let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
        // What the reader may be told to do belongs to programs.
        let message = message.split_once(", set ").map_or(message, |(message, _)| message);
        let (said, cure) = in_plain_words(message).unwrap_or((message, None));
        let problem = ReleaseProblem::new("release.front-matter", line, column, said);
        match did_you_mean(message).map(|near| format!("did you mean `{near}`?")) {
            Some(hint) => problem.with_hint(hint),
            None => cure.map_or(problem.clone(), |cure| problem.with_hint(cure)),
        }
    })
}

/// What the reader of YAML means by its commonest findings, and the cure. Its own words stand for the rest.
fn in_plain_words(message: &str) -> Option<(&'static str, Option<&'static str>)> {
    const QUOTE: Option<&str> = Some("put the value in quotation marks: title: \"Exemple: the news\"");
    Some(match message {
        "expected string scalar" => ("text must stand here", QUOTE),
        "mapping values are not allowed in this context" => ("this value has a colon in it", QUOTE),
        "alias references unknown anchor" => ("this value begins with `*`", QUOTE),
        "unclosed quote" => ("this quotation mark is not closed", Some("close it at the end of the value")),
        "expected sequence start" => {
            ("a list must stand here", Some("write each entry on its own line, behind `- `"))
        }
        "expected mapping start" => {
            ("keys with values must stand here", Some("write each on its own line: `key: value`"))
        }
        "unexpected end of input" => {
            ("the front matter is empty", Some("a release needs at least `title: …`"))
        }
        _ => return None,
    })
}

/// A dateline of digits alone is a date as ISO 8601 writes it: `03/12/2026` is December here and March
/// there. Words stay as they are written.
pub(super) fn date(text: &str, head: &str) -> Result<(), ReleaseProblem> {
    let in_words = text.chars().any(char::is_alphabetic);
    if in_words || text.trim().parse::<jiff::civil::Date>().is_ok() {
        return Ok(());
    }
    let line = 2 + head.lines().position(|line| line.trim_start().starts_with("date")).unwrap_or(0);
    Err(ReleaseProblem::new("release.date", line, 1, format!("`{text}` is no date"))
        .with_hint("write it as `date: 2026-12-03`"))
}

/// The known key nearest to the one that a message calls unknown.
fn did_you_mean(message: &str) -> Option<&str> {
    let (unknown, known) = message.strip_prefix("unknown field `")?.split_once("`, expected one of ")?;
    nearest(unknown, known.split(", ").map(|key| key.trim_matches('`')), 2)
}

/// The moment of an embargo: date, hour, and a named zone.
pub(super) fn embargo(text: &str, head: &str) -> Result<ZonedDateTime, ReleaseProblem> {
    let line = 2 + head.lines().position(|line| line.trim_start().starts_with("embargo")).unwrap_or(0);
    let problem = |code, message: String| {
        ReleaseProblem::new(code, line, 1, message)
            .with_hint("write it as `embargo: \"2026-12-03 08:00 Europe/Paris\"`")
    };
    let text = text.trim();
    let (moment, zone) = match text.rsplit_once(' ') {
        Some((moment, zone)) if zone.contains(|c: char| c.is_ascii_alphabetic()) => (moment, zone),
        _ => {
            let message = format!("the embargo `{text}` names no time zone");
            return Err(problem("embargo-no-zone", message));
        }
    };
    let zone_known = TimeZone::get(zone)
        .map_err(|_| problem("embargo-no-zone", format!("`{zone}` is no time zone that is known")))?;
    let moment: DateTime = moment
        .trim()
        .replacen(' ', "T", 1)
        .parse()
        .map_err(|_| problem("embargo", format!("`{moment}` is no date with an hour")))?;
    // A clock change makes some hours happen twice, or never: never guess.
    zone_known.into_ambiguous_zoned_datetime(moment).unambiguous().map_err(|_| {
        problem("embargo", format!("{moment} happens twice or never in {zone} (a clock change)"))
    })
}

/// A slug of a title: lower case ASCII words joined by `-`, at most 60 characters.
pub(super) fn slug_of(title: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let plain: String = title
        .nfd()
        .filter(char::is_ascii)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let mut slug = String::new();
    for word in plain.split_whitespace() {
        if slug.len() + word.len() >= 60 {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(word);
    }
    if slug.is_empty() { "release".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embargo_in_a_clock_change_is_refused() {
        // 2027-03-28 02:30 does not exist in Paris; 2026-10-25 02:30 happens twice.
        for moment in ["2027-03-28 02:30 Europe/Paris", "2026-10-25 02:30 Europe/Paris"] {
            assert!(embargo(moment, "").is_err(), "{moment}");
        }
        let fine = embargo("2026-12-03 08:00 Europe/Paris", "").unwrap();
        assert_eq!(fine.timestamp().to_string(), "2026-12-03T07:00:00Z");
    }

    #[test]
    fn an_embargo_without_zone_has_a_rule_of_its_own() {
        assert_eq!(embargo("2026-12-03 08:00", "").unwrap_err().code, "embargo-no-zone");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_in_the_file_and_the_key_that_may_be_meant() {
        let problem = read("title: X\nembrgo: \"2026-12-03 08:00 Europe/Paris\"\n").unwrap_err();

        assert_eq!((problem.line, problem.column), (3, 1));
        assert!(
            problem.message.starts_with("unknown field `embrgo`, expected one of title, "),
            "{problem:?}"
        );
        assert!(problem.message.ends_with("attachments, defaults"), "{problem:?}");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `embargo`?"));
    }

    #[test]
    fn what_yaml_cannot_read_is_told_in_plain_words_with_a_cure() {
        for (head, said) in [
            ("title: [a]\n", "text must stand here"),
            ("title: A: b\n", "this value has a colon in it"),
            ("title: \"X\n", "this quotation mark is not closed"),
            ("title: X\nimages: photo.png\n", "a list must stand here"),
            ("- a\n", "keys with values must stand here"),
            ("", "the front matter is empty"),
        ] {
            let problem = read(head).unwrap_err();
            assert_eq!((problem.message.as_str(), problem.hint.is_some()), (said, true), "{head:?}");
        }
        assert_eq!(read("title: X\ntitle: Y\n").unwrap_err().message, "duplicate mapping key: title");
    }

    #[test]
    fn a_date_in_figures_is_iso_8601_or_refused() {
        assert!(date("2026-12-03", "").is_ok() && date("début décembre 2026", "").is_ok());
        for wrong in ["32/13/2026", "03/12/2026", "2026-13-45", ""] {
            assert_eq!(date(wrong, "title: X\ndate: y\n").unwrap_err().line, 3, "{wrong}");
        }
    }

    #[test]
    fn a_slug_is_plain() {
        assert_eq!(slug_of("L’été à Évry : 120 emplois !"), "lete-a-evry-120-emplois");
    }
}
