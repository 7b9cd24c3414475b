//! A parcel made ready for the line: signed where we sign, read once, with its envelope's sender.

use depeche_core::address::EmailAddress;
use depeche_core::message::Mime;
use depeche_core::provider::Parcel;

use super::body::Nature;
use super::config::SmtpConfig;
use super::session::Job;

pub(super) struct Prepared {
    pub(super) parcel: Parcel,
    pub(super) signed: Option<Mime>,
    pub(super) nature: Nature,
    /// The configured sender of this attempt; the message's From when absent.
    pub(super) stated: Option<EmailAddress>,
}

impl Prepared {
    pub(super) fn job<'a>(&'a self, config: &'a SmtpConfig) -> Job<'a> {
        let message = &*self.parcel.message;
        Job {
            message,
            mime: self.signed.as_ref().unwrap_or(&message.mime),
            nature: self.nature,
            envelope_from: self.stated.as_ref().unwrap_or(&message.from.address),
            attempt: self.parcel.attempt,
            config,
        }
    }
}
