//! The only place that prints: data to stdout, everything else to stderr.

use std::io::{IsTerminal as _, Write as _};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{Color, Global, Lang};
use crate::failure::Failure;
use crate::words::{Words, say};

/// Where output goes.
pub(crate) struct Out {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    quiet: bool,
    /// How much more to say.
    pub(crate) verbose: u8,
    color: bool,
    /// Whether somebody can be asked.
    pub(crate) interactive: bool,
    /// What is said.
    pub(crate) words: Words,
}

/// `-` is stdout, which then carries nothing else.
pub(crate) fn is_stdout(path: &std::path::Path) -> bool {
    path == std::path::Path::new("-")
}

impl Out {
    /// As the global flags and the environment say.
    pub(crate) fn new(global: &Global) -> Self {
        let stderr = std::io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stderr && !no_color,
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            color: color && !global.json,
            interactive: stderr && std::io::stdin().is_terminal() && !global.no_input && !global.json,
            words: Words::of(Words::choose(global.lang)),
        }
    }

    /// Before the command line could be read.
    pub(crate) fn plain(lang: Lang, json: bool) -> Self {
        let words = Words::of(lang);
        Self { json, quiet: false, verbose: 0, color: false, interactive: false, words }
    }

    /// Whether progress is drawn: on a terminal, for somebody who reads it.
    pub(crate) fn draws_bars(&self) -> bool {
        std::io::stderr().is_terminal() && !self.quiet && !self.json
    }

    /// A line of data. With `--json` nothing: the document says it.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            write_out(&format!("{}\n", text.as_ref()));
        }
    }

    /// Data as it is.
    pub(crate) fn raw(&self, text: &str) {
        write_out(text);
    }

    /// Data that comes in pieces, as it is.
    pub(crate) fn stream(&self) -> impl std::io::Write + use<> {
        Stream
    }

    /// The one document of `--json`; nothing otherwise.
    pub(crate) fn document(&self, document: &serde_json::Value) {
        if self.json {
            // A `Value` has text keys only: it can always be written.
            write_out(&format!("{document:#}\n"));
        }
    }

    /// Progress and remarks: not with `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            write_err(&format!("{}\n", text.as_ref()));
        }
    }

    /// What the user must not miss.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        write_err(&format!("{}\n", text.as_ref()));
    }

    /// From here on the receiver's log goes to stderr: what was not kept, and with `-v` what was. It names
    /// no address. Other libraries stay silent.
    pub(crate) fn log_receiver(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            (false, _) => LevelFilter::DEBUG,
        };
        let ours = Targets::new().with_target("depeche_receiver", level);
        let log = fmt::layer().with_writer(std::io::stderr).with_ansi(self.color).with_target(false);
        // A second log is refused; the first goes on.
        let _ = tracing_subscriber::registry().with(log.with_filter(ours)).try_init();
    }

    /// A prompt, without a line break.
    pub(crate) fn ask(&self, text: &str) -> String {
        write_err(&format!("{text} "));
        let mut answer = String::new();
        // An answer that cannot be read is no answer.
        let _ = std::io::stdin().read_line(&mut answer);
        answer.trim().to_owned()
    }

    /// A failure, as text or as the one document.
    pub(crate) fn failure(&self, failure: &Failure) {
        let failure = &failure.clone().told(&self.words);
        if self.json {
            self.document(&failure.document());
            return;
        }
        for problem in std::iter::once(failure).chain(&failure.others) {
            self.problem(problem);
        }
    }

    fn problem(&self, problem: &Failure) {
        let head = self.paint("1;31", &say!(self, "error-word"));
        // A rule that has a long text is named, so that it can be asked for.
        let rule = depeche::release::explain(&problem.code).map(|_| format!("[{}]", problem.code));
        let colon = self.words.colon();
        let mut text = format!("{head}{}{colon} {}\n", rule.unwrap_or_default(), problem.message);
        if let Some(place) = &problem.location {
            text.push_str(&format!("  --> {}:{}:{}\n", place.file, place.line, place.column));
            text.extend(place.excerpt.lines().map(|line| format!("  {line}\n")));
        }
        if let Some(hint) = &problem.hint {
            text.push_str(&format!("  {}{colon} {hint}\n", self.paint("1;36", &say!(self, "hint-word"))));
        }
        write_err(&text);
    }

    /// A cure, as the line under what it cures.
    pub(crate) fn hint(&self, cure: &str) -> String {
        format!("  {}{} {cure}", say!(self, "hint-word"), self.words.colon())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// stdout; a reader that went away is no failure of ours.
struct Stream;

impl std::io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stdout().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = std::io::stdout().lock().flush();
        Ok(())
    }
}

/// A reader that went away (`| head`) is no failure of ours.
fn write_out(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn write_err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
