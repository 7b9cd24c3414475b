//! A mail server that fails in every way at every phase.
//!
//! [`FakeSmtp`] is built with a list of [`Rule`]s: at which [`Phase`], from which message on, does
//! what go wrong. It listens on loopback with real sockets (a reset is a reset), speaks TLS with a
//! certificate of [`crate::tls::TestCa`], and records every message whose final dot arrived, with
//! what it answered, so that a test can compare what a provider believes with what is true.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};
//!
//! // Falls silent after the final dot, from the 40th message on.
//! let server = FakeSmtp::new()
//!     .rule(Rule::at(Phase::FinalDot).from_message(40).does(Fault::Silence))
//!     .start()
//!     .await;
//!
//! assert!(server.messages().is_empty());
//! # });
//! ```
//!
//! # Not covered
//!
//! BDAT (CHUNKING) and message submission over LMTP.

mod dialogue;
mod io;
mod record;
mod script;
mod server;

pub use record::{Received, Record};
pub use script::{FakeSmtp, Fault, Phase, Rule, TlsMode};
pub use server::RunningSmtp;
