//! The words of the layout, in French and English, and dates as each language writes them.

use jiff::ZonedDateTime;
use jiff::civil::{Date, Weekday};

/// The language of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    French,
    English,
}

/// The words of the layout.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(super) struct Words {
    pub(super) kind: &'static str,
    pub(super) immediate: &'static str,
    pub(super) press_contact: &'static str,
    pub(super) about: &'static str,
    pub(super) end: &'static str,
    pub(super) credit: &'static str,
    pub(super) print_version: &'static str,
    pub(super) why: &'static str,
    pub(super) opt_out: &'static str,
    pub(super) privacy: &'static str,
    /// French sets a colon apart.
    pub(super) colon: &'static str,
}

impl Language {
    pub(super) fn of(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "fr" => Some(Self::French),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    pub(super) fn words(self) -> Words {
        match self {
            Self::French => Words {
                kind: "Communiqué de presse",
                immediate: "POUR DIFFUSION IMMÉDIATE",
                press_contact: "Contact presse",
                about: "À propos de",
                end: "— Fin du communiqué —",
                credit: "Crédit :",
                print_version: "Photo haute définition",
                why: "Vous recevez ce communiqué en tant que journaliste.",
                opt_out: "Ne plus recevoir nos communiqués",
                privacy: "Données personnelles",
                colon: " :",
            },
            Self::English => Words {
                kind: "Press release",
                immediate: "FOR IMMEDIATE RELEASE",
                press_contact: "Press contact",
                about: "About",
                end: "— Ends —",
                credit: "Credit:",
                print_version: "Print-quality photo",
                why: "You receive this release because you are a journalist.",
                opt_out: "Stop receiving our press releases",
                privacy: "Privacy",
                colon: ":",
            },
        }
    }

    /// `jeudi 3 décembre 2026`, `Thursday 3 December 2026`.
    pub(super) fn day(self, date: Date) -> String {
        let (weekday, month) = (self.weekday(date.weekday()), self.month(date.month()));
        let first = if self == Self::French && date.day() == 1 { "er" } else { "" };
        format!("{weekday} {}{first} {month} {}", date.day(), date.year())
    }

    /// The banner of an embargo: an absolute date with its zone, true in a late mail too.
    pub(super) fn embargo(self, until: &ZonedDateTime) -> String {
        let (day, hour, minute) = (self.day(until.date()), until.hour(), until.minute());
        let zone = until.time_zone().iana_name().unwrap_or("UTC");
        let city = zone.rsplit('/').next().unwrap_or(zone).replace('_', " ");
        match self {
            Self::French => {
                format!("SOUS EMBARGO jusqu’au {day} à {hour}\u{a0}h\u{a0}{minute:02} (heure de {city})")
            }
            Self::English => format!("UNDER EMBARGO until {day}, {hour:02}:{minute:02} ({city} time)"),
        }
    }

    fn weekday(self, day: Weekday) -> &'static str {
        const FRENCH: [&str; 7] = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"];
        const ENGLISH: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or(0);
        if self == Self::French { FRENCH[index] } else { ENGLISH[index] }
    }

    fn month(self, month: i8) -> &'static str {
        const FRENCH: [&str; 12] = [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ];
        const ENGLISH: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let index = usize::try_from(month).unwrap_or(1).saturating_sub(1);
        if self == Self::French { FRENCH[index] } else { ENGLISH[index] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_each_language_does() {
        let until: ZonedDateTime = "2026-12-03T08:00:00+01:00[Europe/Paris]".parse().unwrap();

        // 3 December 2026 is a Thursday (ISO 8601 calendar).
        assert_eq!(
            Language::French.embargo(&until),
            "SOUS EMBARGO jusqu’au jeudi 3 décembre 2026 à 8\u{a0}h\u{a0}00 (heure de Paris)"
        );
        assert_eq!(
            Language::English.embargo(&until),
            "UNDER EMBARGO until Thursday 3 December 2026, 08:00 (Paris time)"
        );
        assert_eq!(Language::French.day(jiff::civil::date(2027, 1, 1)), "vendredi 1er janvier 2027");
    }
}
