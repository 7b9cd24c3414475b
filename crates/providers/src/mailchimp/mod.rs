//! Mailchimp: Transactional (Mandrill) as a provider, and what its webhooks say.
//!
//! The Marketing campaign mode is not here yet; [`member`] holds the one thing of it that others need,
//! the hash under which an audience knows an address.

pub mod member;
pub mod transactional;
pub mod webhook;
