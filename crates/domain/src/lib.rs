//! Domain authentication: can this domain's mail, sent by **each** provider of a chain, pass DMARC?
//!
//! Everything here asks DNS through one door, the trait [`dns::Dns`], prints nothing, reads no clock
//! and no environment. What DNS did not say is never taken for an answer: a time-out is "could not
//! check", an unknown DKIM selector is "not checked", and neither is ever "passed".
//!
//! It builds no mail stack: nothing here sends, renders or keeps a journal. `mail-auth`, which verifies and
//! signs, brings the format of messages with it (`mail-parser`, `mail-builder`). The feature `https` (on by
//! default) adds what fetches MTA-STS policies; without it, or another fetcher, they are "not checked".
//!
//! # Example
//!
//! The verbs of the command line, each in a few lines. Any [`dns::Dns`] will do: here a zone file, that
//! is, records before they are published; [`dns::resolver::Resolver`] asks the network,
//! [`dns::layered::Layered`] puts the one over the other.
//!
//! ```
//! use depeche_domain::align::{Kind, Proof, Provider};
//! use depeche_domain::{check, dns::zone::Zone, finding::Severity, report, rules, spf, suggest, text::Lang, verify};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let zone = "@ TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n@ MX 1 mx\nmx A 192.0.2.9\n";
//! let zone = Zone::parse(zone, "example.org").unwrap();
//! let relay = Provider { ips: vec!["192.0.2.7".parse().unwrap()], ..Provider::of(Kind::Smtp).named("relay") };
//! let providers = [relay, Provider::of(Kind::Brevo)];
//! let now = jiff::Timestamp::UNIX_EPOCH;
//!
//! // domain check
//! let found = check::check(&zone, "example.org", &providers, &check::Options::default(), now).await.unwrap();
//! assert_eq!(found.aligned("relay"), Some(Proof::Yes));
//! assert_eq!(found.aligned("brevo"), Some(Proof::No));
//! assert_eq!(found.exit(Severity::Error), 1);
//! let human = report::text(&found, Lang::En);
//! let json = report::check_document(&[found], Severity::Error, Lang::En);
//! # assert!(human.contains("PROV-ALIGN") && json["exit"] == 1);
//!
//! // domain suggest
//! let suggestion = suggest::suggest(&zone, "example.org", &providers, &[]).await;
//! assert!(suggestion.diff(Lang::En).contains("+ brevo1._domainkey.example.org. 3600 IN CNAME"));
//!
//! // domain spf
//! let request = spf::Request::new("192.0.2.7".parse().unwrap(), "press@example.org", "mail.example.org");
//! let verdict = spf::check_host(&zone, &request).await;
//! assert_eq!(verdict.result, spf::SpfResult::Pass);
//!
//! // message verify
//! let message = b"From: press@example.org\r\nSubject: hello\r\n\r\nHello.\r\n";
//! let received = verify::Received { ip: Some("192.0.2.7".parse().unwrap()), ..Default::default() };
//! let verdict = verify::verify(&zone, message, &received, 0).await;
//! assert!(verdict.dkim.is_empty());
//!
//! // explain
//! assert!(rules::explain("PROV-ALIGN", Lang::Fr).unwrap().contains("fournisseur"));
//! # });
//! ```

pub mod align;
pub mod baseline;
pub mod bimi;
pub mod check;
pub mod dkim;
pub mod dmarc;
pub mod dns;
mod fields;
pub mod finding;
pub mod mta_sts;
pub mod name;
pub mod operator;
pub mod outage;
pub mod report;
pub mod rules;
pub mod span;
pub mod spf;
pub mod suggest;
pub mod text;
pub mod tls_rpt;
pub mod verify;
