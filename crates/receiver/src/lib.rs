//! Takes over HTTP what comes back after a release went out: providers' webhooks, and one-click opt-outs
//! (RFC 8058).
//!
//! [`Receiver`] gives the routes, [`serve::serve`] a server for them; what they take is handed to a
//! [`Sink`] such as [`JournalSink`], which keeps it in the journal before the sender is told that it was. Nothing here prints, reads
//! the environment, or asks for the time but through [`depeche_core::clock::Clock`].
//!
//! | route | |
//! |---|---|
//! | `POST /webhook/NAME` | events of the provider NAME; `HEAD` and `GET` as Mailchimp's checks want them |
//! | `POST /stop/TOKEN` | an opt-out; `GET` shows a page with a button and changes nothing |
//! | `GET /healthz` | 200 when the sink answers |
//! | `GET /metrics` | counters for Prometheus |
//!
//! # Not covered
//!
//! TLS: a proxy ends it. What an event means for a delivery: the journal decides.

pub mod audience;
mod body;
pub mod hook;
mod keep;
mod lang;
pub mod metrics;
mod page;
mod receiver;
pub mod serve;
mod sink;
mod stop;
mod webhook;

pub use depeche_core::opt_out as token;
pub use hook::{BrevoAuth, Hook, HookProblem};
pub use keep::JournalSink;
pub use lang::Lang;
pub use metrics::Metrics;
pub use receiver::{HookRefused, OptOutLinks, Patience, Peer, Receiver, Settings};
pub use sink::{OptOut, OptOutMeans, Sink, SinkError};
pub use stop::STOP_CAP_BYTES;
pub use webhook::{AUDIENCE_CAP_BYTES, BREVO_CAP_BYTES, MANDRILL_CAP_BYTES};
