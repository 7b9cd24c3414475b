//! `message verify`: DKIM, SPF and DMARC of a received message.

use depeche::domain::report;
use depeche::domain::verify::{Received, verify};

use super::domain::door::Door;
use super::domain::language;
use crate::args::{Message, MessageVerify};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};

/// Does what was asked.
pub(crate) async fn run(command: &Message, context: &Context<'_>) -> Done {
    match command {
        Message::Verify(asked) => verify_file(asked, context).await,
    }
}

async fn verify_file(asked: &MessageVerify, context: &Context<'_>) -> Done {
    let message = std::fs::read(&asked.file).map_err(|error| Failure::file(&asked.file, &error))?;
    let received = Received {
        ip: asked.ip,
        helo: asked.helo.clone(),
        mail_from: asked.mail_from.clone(),
        authserv_id: String::new(),
    };
    let now = u64::try_from(context.clock.now().as_second()).unwrap_or_default();
    let door = Door::open(&asked.dns, "", context)?;
    let verified = verify(door.dns(), &message, &received, now).await;
    door.keep(&asked.dns)?;
    context.out.document(&report::verify_document(&verified, language(context)));
    if !context.out.json {
        context.out.raw(&report::message_text(&verified, language(context)));
    }
    Ok(Exit::of_code(verified.exit()))
}
