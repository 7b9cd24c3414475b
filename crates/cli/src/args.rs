//! The one definition of the command line. CLI.md, "Commands", is the rule; completions and manual pages
//! come from here.

mod domain;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use domain::{
    Algorithm, Dns, Domain, DomainCheck, DomainFormat, DomainKey, DomainSpf, DomainSuggest, Message,
    MessageCompare, MessageVerify,
};

/// Sends a press release to every journalist on a list exactly once, through several providers.
#[derive(Debug, Parser)]
#[command(name = "depeche", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command has, wherever they stand.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Exactly one JSON document on stdout, errors included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour what goes to stderr
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Only data, warnings and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Work as if started in DIR
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Never ask anything
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// The language of what is said
    #[arg(long, global = true, value_enum, value_name = "WHAT")]
    pub(crate) lang: Option<Lang>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    En,
    Fr,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented depeche.toml, release.md and contacts.csv
    Init(Init),
    /// Check or show the configuration, or the schema of its file
    #[command(subcommand)]
    Config(Config),
    /// Begin, check or render a release
    #[command(subcommand)]
    Release(Release),
    /// Check or convert a list of contacts
    #[command(subcommand)]
    Contacts(Contacts),
    /// Show exactly what send would do, and send nothing
    Plan(Plan),
    /// Send a release to a list
    Send(Send),
    /// Go on where a run stopped
    Resume(Resume),
    /// Send what is due, of any run, until told to stop
    Work(Work),
    /// Stop a run for now, whoever works on it
    Pause(Pause),
    /// Never send what is still pending
    Cancel(Cancel),
    /// All runs
    Runs,
    /// One run
    Status(Status),
    /// Decide about unknown recipients
    Resolve(Resolve),
    /// Ask providers and the mailbox of bounces what became of the messages
    Sync(Sync),
    /// Bring an older copy of the journal up to date
    Reconcile(Reconcile),
    /// Go on with the work of a machine that is gone, from its mirror
    TakeOver,
    /// The second place of the journal
    #[command(subcommand)]
    Mirror(Mirror),
    /// Who got it, when, through whom
    Report(Report),
    /// Take providers' webhooks and opt-outs over HTTP
    Serve,
    /// Addresses that are never mailed
    #[command(subcommand)]
    Suppress(Suppress),
    /// The providers of depeche.toml
    #[command(subcommand)]
    Provider(Provider),
    /// Check what the DNS says about a sending domain
    #[command(subcommand)]
    Domain(Domain),
    /// Check a received message
    #[command(subcommand)]
    Message(Message),
    /// The long text of a rule
    Explain(Explain),
    /// Completions for a shell
    Completions(Completions),
    /// A manual page for every command
    Man(Man),
    /// JSON Schemas of depeche.toml and of every document of --json
    Schema(Schema),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write; here when absent
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Make a DKIM key too, for a relay that does not sign mail of this domain
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dkim: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Every problem of depeche.toml, with its place
    Check,
    /// The effective values, secrets masked
    Show,
    /// The JSON Schema of depeche.toml
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Begin a release from a template
    New(ReleaseNew),
    /// Check a release by the rules
    Lint(ReleaseLint),
    /// Show a release as one contact will see it
    Render(ReleaseRender),
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseNew {
    /// The file to write
    #[arg(default_value = "release.md", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseLint {
    /// The release
    pub(crate) file: PathBuf,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value_t = FailOn::Error, value_name = "SEVERITY")]
    pub(crate) fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Error,
    Warn,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseRender {
    /// The release
    pub(crate) file: PathBuf,
    /// Which form
    #[arg(long, value_enum, default_value_t = Form::Text, value_name = "FORMAT")]
    pub(crate) format: Form,
    /// The list from which the contact comes
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Vec<PathBuf>,
    /// Which contact of the list; the first when absent
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) contact: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Html,
    Text,
    Eml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Contacts {
    /// Encoding, separator, columns, duplicates and bad rows
    Check(ContactsCheck),
    /// Write the list as a canonical CSV
    Convert(ContactsConvert),
}

#[derive(Debug, Args)]
pub(crate) struct ContactsCheck {
    /// The lists to check
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Show who this expression chooses
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) selection: Option<String>,
    /// The encoding, when it is found out wrongly
    #[arg(long, value_name = "ENCODING")]
    pub(crate) encoding: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ContactsConvert {
    /// The list to convert
    pub(crate) file: PathBuf,
    /// Where the list goes; stdout when absent
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Where the rows go that are left out; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Put an apostrophe in front of cells that a spreadsheet would calculate
    #[arg(long)]
    pub(crate) formula_safe: bool,
    /// The encoding, when it is found out wrongly
    #[arg(long, value_name = "ENCODING")]
    pub(crate) encoding: Option<String>,
}

/// Who gets which release through whom: what plan and send share.
#[derive(Debug, Clone, Args)]
pub(crate) struct What {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: PathBuf,
    /// A list of contacts; may be given more than once
    #[arg(long, required = true, value_name = "FILE", num_args = 1..)]
    pub(crate) to: Vec<PathBuf>,
    /// Only contacts that this expression chooses
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) selection: Option<String>,
    /// Leave out the addresses of a list or of an earlier run
    #[arg(long, value_name = "FILE|RUN")]
    pub(crate) exclude: Vec<String>,
    /// Providers in order of fallback
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) route: Vec<String>,
    /// At most so many recipients
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Send before the embargo ends, with its banner
    #[arg(long)]
    pub(crate) under_embargo: bool,
    /// The same slug with other content is meant
    #[arg(long)]
    pub(crate) again: bool,
    /// Write .eml files into DIR and send nothing
    #[arg(long, value_name = "DIR")]
    pub(crate) outbox: Option<PathBuf>,
    /// The lists' encoding, when it is found out wrongly
    #[arg(long)]
    pub(crate) encoding: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) what: What,
    /// Write what one recipient will see; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Show what still works without this provider or operator; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) assume_down: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) what: What,
    /// One copy to ADDRESS, with TEST in its subject
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) test: Option<String>,
    /// The number of recipients, from a script
    #[arg(long, value_name = "N")]
    pub(crate) confirm: Option<u64>,
    /// End rather than wait
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Use providers too whose mail DMARC would refuse
    #[arg(long)]
    pub(crate) unauthenticated: bool,
    /// What to do with unknown recipients
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_unknown: Option<OnUnknown>,
    /// Hand the run over to the workers, and end
    #[arg(long, conflicts_with_all = ["outbox", "test", "no_wait"])]
    pub(crate) enqueue: bool,
    /// Begin at TIME: "2026-12-03 08:00 Europe/Paris"
    #[arg(long, value_name = "TIME", conflicts_with_all = ["outbox", "test"])]
    pub(crate) at: Option<String>,
    /// Do not begin later than so long after TIME; one hour when absent
    #[arg(long, value_name = "D", requires = "at")]
    pub(crate) max_late: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUnknown {
    Hold,
    Resend,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run; the only unfinished one when absent
    pub(crate) run: Option<String>,
    /// Providers in order of fallback
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) route: Vec<String>,
    /// End rather than wait
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Use providers too whose mail DMARC would refuse
    #[arg(long)]
    pub(crate) unauthenticated: bool,
    /// What to do with unknown recipients
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_unknown: Option<OnUnknown>,
    /// Hand the run over to the workers, and end
    #[arg(long, conflicts_with_all = ["no_wait", "route"])]
    pub(crate) enqueue: bool,
    /// Begin although its hour has passed
    #[arg(long)]
    pub(crate) late: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Work {
    /// End when nothing is due any more
    #[arg(long)]
    pub(crate) once: bool,
    /// Use providers too whose mail DMARC would refuse
    #[arg(long)]
    pub(crate) unauthenticated: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The run
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The run
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The run; the newest when absent
    pub(crate) run: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Whose recipients the providers are asked about; all runs when absent
    pub(crate) run: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("decision").required(true))]
pub(crate) struct Resolve {
    /// The run
    pub(crate) run: String,
    /// Whom; everybody unknown or held when absent
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,
    /// It was sent
    #[arg(long, group = "decision")]
    pub(crate) sent: bool,
    /// Send it again
    #[arg(long, group = "decision")]
    pub(crate) resend: bool,
    /// Ask the provider
    #[arg(long, group = "decision")]
    pub(crate) look_up: bool,
    /// With --resend: not the unknown ones, but those accepted shortly before or during a declared outage
    #[arg(long, requires = "resend")]
    pub(crate) at_risk: bool,
    /// With --at-risk: the number of recipients, from a script
    #[arg(long, value_name = "N", requires = "at_risk")]
    pub(crate) confirm: Option<u64>,
    /// Why, for the audit
    #[arg(long, required = true, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// The run to tell about; all when absent
    pub(crate) run: Option<String>,
    /// Ask again from then on: 7d, 48h, 2026-12-03
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Read reports and answers from an mbox, a Maildir or a folder of messages, and ask nobody
    #[arg(long, value_name = "PATH", conflicts_with = "since")]
    pub(crate) mailbox: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run; the newest when absent
    pub(crate) run: Option<String>,
    /// Write one page that needs nothing else; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Whom to ring, by tier, with outlet and phone
    #[arg(long)]
    pub(crate) call_sheet: bool,
    /// Write a table that no spreadsheet will calculate; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Suppress {
    /// Never mail these addresses
    Add(SuppressAdd),
    /// Who is never mailed
    List,
    /// Mail this address again
    Remove(SuppressRemove),
    /// Forget a person: only a keyed hash of the address is kept, so that it is never mailed
    Forget(SuppressForget),
    /// Take over opt-outs, complaints and true bad addresses from the providers' own block lists
    Pull(SuppressLists),
    /// Put on the providers' own block lists what they lack
    Push(SuppressLists),
}

#[derive(Debug, Args)]
pub(crate) struct SuppressLists {
    /// Which; all when absent
    pub(crate) names: Vec<String>,
    /// Do it; without this it is only shown
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressAdd {
    /// The addresses
    #[arg(required = true, value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,
    /// Why
    #[arg(long, default_value = "manual", value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressForget {
    /// Whose
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressRemove {
    /// The address
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Why, for the audit
    #[arg(long, required = true, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mirror {
    /// Write what the journal holds as a snapshot, and empty what stands before it
    Compact,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// The providers in order of fallback
    List,
    /// Log in without sending
    Test(ProviderTest),
    /// Breaker and budget left
    Status,
    /// Declare that a provider is or was out of service; without a name, list what was declared
    Outage(ProviderOutage),
}

#[derive(Debug, Args)]
pub(crate) struct ProviderOutage {
    /// Whose outage
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Since when: 09:12, "2026-12-03 09:12", "2026-12-03 09:12 Europe/Paris", or 2h ago
    #[arg(long, value_name = "TIME", requires = "name")]
    pub(crate) from: Option<String>,
    /// Until when; it goes on when absent
    #[arg(long, value_name = "TIME", requires = "from", conflicts_with = "withdraw")]
    pub(crate) until: Option<String>,
    /// What is known of it, for the audit
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, requires = "name")]
    pub(crate) reason: String,
    /// Take back what was declared
    #[arg(long, requires = "name")]
    pub(crate) withdraw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderTest {
    /// Which; all when absent
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Send one real test message through each of them to this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) message: Option<String>,
    /// With --message: send this release instead of a few lines
    #[arg(long, value_name = "FILE", requires = "message")]
    pub(crate) release: Option<PathBuf>,
    /// With --message: keep what was sent as NAME.eml in this folder, for message compare
    #[arg(long, value_name = "DIR", requires = "message")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The id of a rule
    pub(crate) rule: String,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to write the pages
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Where to write the schemas
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_may_stand_anywhere() {
        for words in [
            ["depeche", "--json", "-C", "x", "runs", "--lang", "fr"],
            ["depeche", "runs", "--json", "-C", "x", "--lang", "fr"],
        ] {
            let cli = Cli::try_parse_from(words).unwrap();

            assert!(cli.global.json && cli.global.lang == Some(Lang::Fr), "{words:?}");
            assert_eq!(cli.global.directory.as_deref(), Some(std::path::Path::new("x")));
        }
    }
}
