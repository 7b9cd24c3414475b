//! SMTP, Brevo, Mailchimp and outbox providers for depeche.

pub mod outbox;
pub mod smtp;
