//! Domain authentication: can this domain's mail, sent by **each** provider of a chain, pass DMARC?
//!
//! Everything here asks DNS through one door, the trait [`dns::Dns`], prints nothing, reads no clock
//! and no environment. What DNS did not say is never taken for an answer: a time-out is "could not
//! check", an unknown DKIM selector is "not checked", and neither is ever "passed".
//!
//! # Example
//!
//! ```
//! use depeche_domain::{dns::zone::Zone, spf};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let zone = Zone::parse("example.org. 3600 IN TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n", "example.org")
//!     .unwrap();
//! let request = spf::Request::new("192.0.2.7".parse().unwrap(), "press@example.org", "mail.example.org");
//! let verdict = spf::check_host(&zone, &request).await;
//! assert_eq!(verdict.result, spf::SpfResult::Pass);
//! # });
//! ```

pub mod align;
pub mod check;
pub mod dkim;
pub mod dmarc;
pub mod dns;
pub mod finding;
pub mod name;
pub mod report;
pub mod rules;
pub mod span;
pub mod spf;
pub mod suggest;
pub mod text;
pub mod verify;
