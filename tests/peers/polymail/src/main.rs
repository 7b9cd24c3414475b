//! polymail's fallback over two SMTP servers: one message a recipient, one line told of each.
//!
//! `polymail-peer PRIMARY_PORT SPARE_PORT TIMEOUT_S < addresses`
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Duration;

use lettre::{AsyncSmtpTransport, Tokio1Executor};
use polymail::provider::smtp::SmtpMailer;
use polymail::{Body, Email, FallbackMailer, Mailer};

fn relay(port: u16, timeout: Duration) -> Box<dyn Mailer> {
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(port).timeout(Some(timeout));
    Box::new(SmtpMailer::with_transport(transport.build()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [primary, spare, timeout] = words.as_slice() else { return Err("PRIMARY_PORT SPARE_PORT TIMEOUT_S".into()) };
    let timeout = Duration::from_secs_f64(timeout.parse()?);
    let fallback = FallbackMailer::new(vec![relay(primary.parse()?, timeout), relay(spare.parse()?, timeout)]);
    for address in stdin().lock().lines() {
        let address = address?;
        let email = Email::builder("presse@exemple.fr", "Essai", Body::Text("Bonjour\n".into())).to(address.as_str()).build()?;
        // polymail's async time-out covers connecting only: a sender with a deadline wraps the call.
        let told = match tokio::time::timeout(timeout * 3, fallback.send(&email)).await {
            Ok(Ok(_)) => "accepted",
            Ok(Err(_)) | Err(_) => "failed",
        };
        let mut out = stdout().lock();
        writeln!(out, "{told} {address}")?;
        out.flush()?;
    }
    Ok(())
}
