//! SMTP, Brevo, Mailchimp and outbox providers for depeche.

pub mod smtp;
