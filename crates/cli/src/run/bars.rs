//! Progress on a terminal: one bar for the run with the time left, one line for each provider that
//! accepted something, with its pace. Elsewhere nothing of this is drawn.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use depeche::engine::Event;
use depeche::provider::ProviderName;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

/// How often the clock of the bars moves.
const TICK: Duration = Duration::from_millis(250);

/// The bars of a run.
pub(super) struct Bars {
    all: MultiProgress,
    run: ProgressBar,
    providers: BTreeMap<ProviderName, ProgressBar>,
    /// How many each provider may still take, at most: what is pending now.
    left: u64,
}

impl Bars {
    /// Bars on stderr.
    pub(super) fn new() -> Self {
        let all = MultiProgress::new();
        // Drawn from the first count on.
        let run = all.add(ProgressBar::new(0).with_style(style("{wide_bar} {pos}/{len}  {eta}")));
        Self { all, run, providers: BTreeMap::new(), left: 0 }
    }

    /// Prints a line above the bars.
    pub(super) fn print(&self, line: &str) {
        // A terminal that went away is no failure of ours.
        let _ = self.all.println(line);
    }

    /// Moves with what happened.
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { totals } => {
                self.left = totals.pending;
                self.run.set_length(totals.recipients);
                self.run.set_position(totals.recipients - totals.pending);
                self.run.reset_eta();
                self.run.enable_steady_tick(TICK);
            }
            Event::Accepted { provider, .. } => {
                self.settled();
                self.provider(provider).inc(1);
            }
            Event::Written { .. }
            | Event::Refused { .. }
            | Event::Unknown { .. }
            | Event::Held { .. }
            | Event::Suppressed { .. } => self.settled(),
            _ => {}
        }
    }

    fn settled(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.run.inc(1);
        for bar in self.providers.values() {
            bar.set_length(bar.position() + self.left);
        }
    }

    fn provider(&mut self, name: &ProviderName) -> &ProgressBar {
        let (all, left) = (&self.all, self.left);
        self.providers.entry(name.clone()).or_insert_with(|| {
            let bar = ProgressBar::new(left + 1).with_message(name.to_string());
            all.add(bar.with_style(style("  {msg}: {pos}  {pace}  {eta}")))
        })
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.providers.values().for_each(ProgressBar::finish_and_clear);
        self.run.finish_and_clear();
    }
}

/// The templates stand in this file; one that could not be read would be the plain default.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // A pace that no clock has measured yet is none.
    style.with_key("pace", |state: &ProgressState, out: &mut dyn Write| {
        let pace = if state.elapsed() < TICK { 0.0 } else { state.per_sec() };
        let shown = match pace {
            0.0 => String::new(),
            slow if slow < 10.0 => format!("{slow:.1}/s"),
            fast => format!("{fast:.0}/s"),
        };
        // Text in memory always takes more.
        let _ = out.write_str(&shown);
    })
}

#[cfg(test)]
mod tests {
    use depeche::journal::Totals;

    use super::*;

    #[test]
    fn a_bar_counts_what_is_settled_and_each_provider_what_it_accepted() {
        let mut bars = Bars::new();
        let totals = Totals { recipients: 5, pending: 4, suppressed: 1, ..Totals::default() };
        let name = ProviderName::new("ovh").unwrap();
        bars.hear(&Event::Started { totals });
        assert_eq!((bars.run.length(), bars.run.position()), (Some(5), 1));

        bars.hear(&Event::Accepted { provider: name.clone(), address: "a@b.example".to_owned() });
        bars.hear(&Event::Suspect { provider: name.clone() });
        bars.hear(&Event::Refused { provider: None, address: String::new(), reply: String::new() });

        assert_eq!(bars.run.position(), 3);
        let ovh = &bars.providers[&name];
        // One accepted, and the two that are left may still go there.
        assert_eq!((ovh.position(), ovh.length()), (1, Some(3)));
    }
}
