//! The arguments of `domain` and `message`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::FailOn;

#[derive(Debug, Subcommand)]
pub(crate) enum Domain {
    /// Whether every provider can pass DMARC
    Check(DomainCheck),
    /// The records to publish
    Suggest(DomainSuggest),
    /// One RFC 7208 evaluation
    Spf(DomainSpf),
    /// Make a DKIM key for a relay that does not sign
    Key(DomainKey),
}

#[derive(Debug, Args)]
pub(crate) struct DomainCheck {
    /// The domains
    #[arg(required = true, value_name = "DOMAIN")]
    pub(crate) domains: Vec<String>,
    /// Providers of depeche.toml, or kinds: ovh, brevo, mailchimp, mailchimp-transactional
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) provider: Vec<String>,
    /// A selector that one of them signs with
    #[arg(long)]
    pub(crate) selector: Vec<String>,
    /// A message that a provider of depeche.toml sent, as it was received: what its signature proves
    #[arg(long, value_name = "PROVIDER=FILE")]
    pub(crate) message: Vec<String>,
    /// Ask Brevo and Mailchimp Transactional too whether they have authenticated the domain
    #[arg(long)]
    pub(crate) ask_providers: bool,
    #[command(flatten)]
    pub(crate) dns: Dns,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value_t = FailOn::Error, value_name = "SEVERITY")]
    pub(crate) fail_on: FailOn,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = DomainFormat::Text, value_name = "FORMAT")]
    pub(crate) format: DomainFormat,
    /// Only what is new or worse since a file that --write-baseline made, and what was mended
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Keep what was found in a file, to compare later checks with
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
}

/// Where DNS answers come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct Dns {
    /// Ask this name server
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) nameserver: Option<String>,
    /// Answer from a zone file (RFC 1035); with --nameserver, --live or --replay as a proposed change
    /// over those answers
    #[arg(long, value_name = "FILE")]
    pub(crate) zone: Option<PathBuf>,
    /// With --zone: ask the system's name servers for what the file does not speak about
    #[arg(long)]
    pub(crate) live: bool,
    /// Keep every answer in a file
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Answer from a file that --record made
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DomainFormat {
    Text,
    Json,
    Sarif,
    Junit,
    Markdown,
}

#[derive(Debug, Args)]
pub(crate) struct DomainSuggest {
    /// The domain
    pub(crate) domain: String,
    /// Providers of depeche.toml, or kinds: ovh, brevo, mailchimp, mailchimp-transactional
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) provider: Vec<String>,
    /// A selector that one of them signs with
    #[arg(long)]
    pub(crate) selector: Vec<String>,
    /// What changes against now, instead of zone text
    #[arg(long)]
    pub(crate) diff: bool,
    #[command(flatten)]
    pub(crate) dns: Dns,
}

#[derive(Debug, Args)]
pub(crate) struct DomainSpf {
    /// The address that the mail comes from
    #[arg(long)]
    pub(crate) ip: std::net::IpAddr,
    /// The MAIL FROM address; empty to check the HELO name
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mail_from: String,
    /// The HELO name
    #[arg(long, value_name = "NAME")]
    pub(crate) helo: String,
    #[command(flatten)]
    pub(crate) dns: Dns,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Message {
    /// DKIM, SPF and DMARC of a received message
    Verify(MessageVerify),
    /// What a provider changed: a received copy against what was sent
    Compare(MessageCompare),
}

#[derive(Debug, Args)]
pub(crate) struct MessageCompare {
    /// SENT.eml and RECEIVED.eml; with --run only RECEIVED.eml
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Compare with what this run sent to the recipient of the received message
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// With --run: the recipient, when the received message was forwarded
    #[arg(long, value_name = "ADDRESS", requires = "run")]
    pub(crate) recipient: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MessageVerify {
    /// The message as it was received
    pub(crate) file: PathBuf,
    /// The address it came from; without it SPF is not checked
    #[arg(long)]
    pub(crate) ip: Option<std::net::IpAddr>,
    /// The HELO name
    #[arg(long, value_name = "NAME")]
    pub(crate) helo: Option<String>,
    /// The MAIL FROM address; the Return-Path when absent
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mail_from: Option<String>,
    /// Believe the Received and Authentication-Results fields of this mail server of yours
    #[arg(long, value_name = "HOST")]
    pub(crate) trust: Vec<String>,
    /// Write the selectors that signed it to depeche.toml, at the provider that sent it
    #[arg(long, value_name = "PROVIDER", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) learn: Option<String>,
    #[command(flatten)]
    pub(crate) dns: Dns,
}

#[derive(Debug, Args)]
pub(crate) struct DomainKey {
    /// The domain that signs
    pub(crate) domain: String,
    /// Under which name the public half will stand
    #[arg(long, default_value = "s1")]
    pub(crate) selector: String,
    /// The kind of key
    #[arg(long, value_enum, default_value_t = Algorithm::Rsa)]
    pub(crate) algorithm: Algorithm,
    /// Where the private key goes; dkim-SELECTOR.pem when absent
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    Rsa,
    Ed25519,
}
