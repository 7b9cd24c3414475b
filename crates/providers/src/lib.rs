//! SMTP, Brevo, Mailchimp and outbox providers for depeche.
