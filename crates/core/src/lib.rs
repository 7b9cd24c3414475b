//! The heart of depeche: what a release, a contact, a message, a provider and an outcome are, and
//! the delivery protocol that joins them.
//!
//! It opens no socket, prints nothing, and reads neither the clock nor the system's randomness but
//! through [`clock::Clock`] and [`clock::Entropy`]. Most users want the crate `depeche`, which
//! re-exports this one.

pub mod address;
pub mod after;
pub mod block_list;
pub mod breaker;
pub mod budget;
pub mod clock;
pub mod contact;
pub mod engine;
pub mod event;
pub mod forecast;
pub mod journal;
pub mod message;
pub mod opt_out;
pub mod outcome;
pub mod policy;
pub mod poll;
pub mod provider;
pub mod release;
pub mod risk;
pub mod secret;
pub mod spare;
pub mod text;
pub mod wave;
