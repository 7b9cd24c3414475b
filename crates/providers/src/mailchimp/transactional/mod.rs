//! Mailchimp Transactional (Mandrill), API 1.4.
//!
//! One journalist per call, `async` off, `preserve_recipients` off. The default is
//! `messages/send-raw` with our own MIME: what the reader gets is what every other provider sends, with
//! attachment names, display names and inline images intact, which `messages/send` garbles. The price:
//! tracking is switched by a header whose "off" Mailchimp does not document. `messages/send`
//! ([`Mode::Parts`]) switches tracking by documented fields. `docs/providers/mailchimp-transactional.md`
//! has the quirks, each with source and date.
//!
//! # Not covered
//!
//! Templates, merge tags, scheduled sending and subaccounts: depeche does all of that itself.

mod account;
mod after;
mod config;
mod look_up;
mod payload;
mod provider;
mod reply;

pub use config::{Mode, TransactionalConfig};
pub use payload::{METADATA, NotFit};
pub use provider::TransactionalProvider;
pub(super) use reply::rejection;
