//! Mailchimp: Transactional (Mandrill) and Marketing campaigns as providers, and what its webhooks say.

pub mod campaign;
pub mod member;
pub mod transactional;
pub mod webhook;
