//! SMTP, Brevo, Mailchimp and outbox providers for depeche.

pub mod brevo;
pub mod http;
pub mod mailchimp;
pub mod outbox;
pub mod ovh;
pub mod reason;
pub mod smtp;
pub mod tls;
