//! How a run went over time, as numbers for one drawing: how many each provider accepted, where the run went on
//! with another one, and from when to when a provider was set aside.

use std::collections::BTreeMap;

use depeche::journal::{AuditEntry, BACK, SET_ASIDE};
use jiff::Timestamp;
use serde::Serialize;

/// The drawing's size.
pub(super) const WIDTH: f64 = 640.0;
pub(super) const HEIGHT: f64 = 180.0;
/// Readable beside each other, for the colour-blind too (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// Labels that are nearer to each other than this stand on lines of their own.
const LABEL: f64 = 90.0;

/// The drawing.
#[derive(Default, Serialize)]
pub(super) struct Chart {
    curves: Vec<Curve>,
    turns: Vec<Turn>,
    asides: Vec<Aside>,
    first: String,
    last: String,
    most: usize,
}

/// One provider's way through the run.
#[derive(Serialize)]
struct Curve {
    name: String,
    colour: &'static str,
    accepted: usize,
    points: String,
}

/// Where another provider began to carry the run.
#[derive(Serialize)]
struct Turn {
    x: f64,
    y: f64,
    anchor: &'static str,
    label: String,
}

/// A provider that was set aside.
#[derive(Serialize)]
struct Aside {
    x: f64,
    width: f64,
    name: String,
    colour: &'static str,
    from: String,
    /// Empty: until the end.
    until: String,
    reason: String,
}

/// A yes: when, and by which of the providers.
pub(super) type Step = (Timestamp, u16);

/// Draws it. `moment` writes a time.
pub(super) fn draw(
    mut steps: Vec<Step>,
    providers: &[String],
    audit: &[AuditEntry],
    moment: fn(Timestamp) -> String,
) -> Chart {
    let name = |place: u16| providers.get(usize::from(place)).map_or("", String::as_str);
    steps.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| name(one.1).cmp(name(other.1))));
    let (Some(first), Some(last)) = (steps.first().map(|step| step.0), steps.last().map(|step| step.0))
    else {
        return Chart::default();
    };
    let span = (last.as_millisecond() - first.as_millisecond()).max(1) as f64;
    let x = |at: Timestamp| {
        rounded(((at.as_millisecond() - first.as_millisecond()) as f64 / span * WIDTH).clamp(0.0, WIDTH))
    };
    let y = |count: usize| rounded(HEIGHT - count as f64 / steps.len() as f64 * HEIGHT);
    let mut curves: BTreeMap<u16, (usize, String)> = BTreeMap::new();
    let mut order: Vec<u16> = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (at, provider) in &steps {
        if !order.contains(provider) {
            if !order.is_empty() {
                turns.push(turn(x(*at), name(*provider), turns.last()));
            }
            order.push(*provider);
        }
        let (count, points) = curves.entry(*provider).or_default();
        add(points, x(*at), y(*count));
        *count += 1;
        add(points, x(*at), y(*count));
    }
    // A curve goes on level to the end of the drawing.
    curves.values_mut().for_each(|(count, points)| add(points, WIDTH, y(*count)));
    let colour = |name: &str| {
        let place =
            order.iter().position(|one| providers.get(usize::from(*one)).is_some_and(|own| own == name));
        place.map_or("#777777", |place| COLOURS[place % COLOURS.len()])
    };
    let curve = |provider: &u16| {
        let (accepted, points) = curves.get(provider).cloned().unwrap_or_default();
        Curve { name: name(*provider).to_owned(), colour: colour(name(*provider)), accepted, points }
    };
    let asides = asides(audit).into_iter().map(|(name, reason, from, until)| {
        let (left, right) = (x(from), until.map_or(WIDTH, &x));
        let until = until.map(moment).unwrap_or_default();
        // One that lasted no longer than a dot is seen all the same.
        let width = rounded((right - left).max(2.0));
        Aside { x: left, width, colour: colour(&name), name, from: moment(from), until, reason }
    });
    Chart {
        asides: asides.collect(),
        curves: order.iter().map(curve).collect(),
        turns,
        first: moment(first),
        last: moment(last),
        most: steps.len(),
    }
}

fn turn(x: f64, label: &str, before: Option<&Turn>) -> Turn {
    let anchor = if x < WIDTH * 0.1 {
        "start"
    } else if x > WIDTH * 0.9 {
        "end"
    } else {
        "middle"
    };
    let y = match before {
        Some(before) if x - before.x < LABEL && before.y > -10.0 => -17.0,
        _ => -5.0,
    };
    Turn { x, y, anchor, label: label.to_owned() }
}

/// Who was set aside, why, from when, and until when, as the run's audit tells it.
fn asides(audit: &[AuditEntry]) -> Vec<(String, String, Timestamp, Option<Timestamp>)> {
    let mut found: Vec<(String, String, Timestamp, Option<Timestamp>)> = Vec::new();
    for entry in audit {
        let Some((name, reason)) = entry.detail.split_once(": ") else { continue };
        let open = found.iter_mut().rev().find(|(of, _, _, until)| of == name && until.is_none());
        match (entry.action.as_str(), open) {
            (SET_ASIDE, None) => found.push((name.to_owned(), reason.to_owned(), entry.at, None)),
            (BACK, Some(open)) => open.3 = Some(entry.at),
            _ => {}
        }
    }
    found
}

/// Adds a point, unless it is where the line ends: a long run has no more points than places.
fn add(points: &mut String, x: f64, y: f64) {
    let point = format!("{x},{y} ");
    if !points.ends_with(&format!(" {point}")) && *points != point {
        points.push_str(&point);
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn entry(second: i64, action: &str, detail: &str) -> AuditEntry {
        AuditEntry { at: at(second), run: None, action: action.to_owned(), detail: detail.to_owned() }
    }

    #[test]
    fn a_provider_is_aside_from_its_opening_to_its_return() {
        let audit = [
            entry(10, SET_ASIDE, "ovh: connection refused"),
            entry(15, "resolve --sent", "zoe@exemple.fr: she has it"),
            entry(20, SET_ASIDE, "brevo: 401: key revoked"),
            entry(30, BACK, "ovh: "),
        ];
        let found = asides(&audit);
        let expected = [
            ("ovh".to_owned(), "connection refused".to_owned(), at(10), Some(at(30))),
            ("brevo".to_owned(), "401: key revoked".to_owned(), at(20), None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_drawing_ends_where_the_run_does() {
        let steps = vec![(at(0), 0), (at(50), 0), (at(100), 1), (at(200), 1)];
        let providers = ["ovh".to_owned(), "brevo".to_owned()];
        let audit = [entry(100, SET_ASIDE, "ovh: gone")];

        let chart = draw(steps, &providers, &audit, |at| at.to_string());

        // Half of the 200 s is half of the width; two of four is half of the height.
        assert_eq!(chart.turns[0].x, WIDTH / 2.0);
        assert_eq!((chart.asides[0].x, chart.asides[0].width), (WIDTH / 2.0, WIDTH / 2.0));
        assert!(chart.curves[0].points.ends_with("640,90 "), "{}", chart.curves[0].points);
        assert_eq!((chart.curves[1].accepted, chart.most), (2, 4));
    }
}
