//! The scripted server as a program, for tests that need a second process.
//!
//! `cargo run -p depeche-testkit --example fake-smtp -- [--port N] [--silent-after-dot N] [--die-at N]
//! [--refuse ADDRESS]` prints `port N` on its first line, then one line per message taken, and runs
//! until it is stopped.

use std::error::Error;
use std::time::Duration;

use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for people and scripts: its output is its purpose")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut script = FakeSmtp::new();
    let mut port = 0;
    let mut words = std::env::args().skip(1);
    while let Some(option) = words.next() {
        let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
        script = match option.as_str() {
            "--port" => {
                port = value.parse()?;
                script
            }
            "--silent-after-dot" => {
                script.rule(Rule::at(Phase::FinalDot).from_message(value.parse()?).does(Fault::Silence))
            }
            "--die-at" => {
                script.rule(Rule::at(Phase::Mail).from_message(value.parse()?).does(Fault::Die(None)))
            }
            "--refuse" => {
                script.rule(Rule::at(Phase::Rcpt).for_recipient(&value).replies("550 5.1.1 no such user"))
            }
            other => return Err(format!("unknown option {other}").into()),
        };
    }
    let server = script.start_on(port).await?;
    println!("port {}", server.port());
    let mut shown = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for message in server.messages().iter().skip(shown) {
            println!("{} {} {:?}", message.number, message.to.join(","), message.answer);
            shown += 1;
        }
    }
}
