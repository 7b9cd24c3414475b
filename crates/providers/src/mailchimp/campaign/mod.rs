//! A Mailchimp Marketing campaign, for those who have no other account (Marketing API 3.0).
//!
//! One attempt is one campaign to all its recipients. A draft is made, and gives way to another release
//! that is open in the audience; then the recipients become members of the audience and of a static
//! segment, the release is put up with merge tags, Mailchimp's own checklist is read, and the campaign is
//! sent once. Its id is in the journal, with the intent of every recipient, before `actions/send` leaves.
//! After a lost answer its status is asked for; it is never sent a second time. Who really got it is what
//! `sent-to` lists. `docs/providers/mailchimp-campaign.md` has the quirks, each with source and date.
//!
//! # Not covered
//!
//! Attachments and images inside the message (a campaign has none), and an answer address of its own:
//! Mailchimp answers to the sender.

mod account;
mod after;
mod audience;
mod batch;
mod blocked;
mod config;
mod payload;
mod provider;
mod reply;
mod report;
mod turn;

pub use config::CampaignConfig;
pub use payload::NotFit;
pub use provider::{CampaignProvider, MOST};
