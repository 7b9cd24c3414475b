//! Providers wired to a stub, and messages that try what APIs garble.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use depeche_core::address::EmailAddress;
use depeche_core::clock::SystemClock;
use depeche_core::message::{Attachment, Message, Mime, Unsubscribe};
use depeche_core::outcome::Outcome;
use depeche_core::provider::{Parcel, Provider, ProviderName};
use depeche_core::secret::Secret;
use depeche_core::text::HeaderText;
use depeche_providers::brevo::{BrevoConfig, BrevoProvider};
use depeche_providers::http::HttpTimeouts;
use depeche_providers::mailchimp::transactional::{Mode, TransactionalConfig, TransactionalProvider};
use depeche_testkit::conformance::{RecordingCommit, message_to, parcel_of};

pub(crate) const KEY: &str = "canary-key-0123456789";

pub(crate) fn key() -> Secret {
    Secret::from(KEY.to_owned())
}

pub(crate) fn short() -> HttpTimeouts {
    HttpTimeouts {
        connect: Duration::from_millis(500),
        answer: Duration::from_millis(400),
        total: Duration::from_millis(1200),
    }
}

pub(crate) fn brevo_config(base_url: &str) -> BrevoConfig {
    let mut config = BrevoConfig::new(ProviderName::new("brevo").unwrap(), key());
    base_url.clone_into(&mut config.http.base_url);
    config.http.timeouts = short();
    config
}

pub(crate) fn brevo(base_url: &str) -> BrevoProvider {
    BrevoProvider::new(brevo_config(base_url), Arc::new(SystemClock)).unwrap()
}

pub(crate) fn brevo_batch(base_url: &str) -> BrevoProvider {
    let mut config = brevo_config(base_url);
    config.batch = true;
    BrevoProvider::new(config, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn mailchimp(base_url: &str) -> TransactionalProvider {
    mailchimp_in(base_url, Mode::Raw)
}

pub(crate) fn mailchimp_config(base_url: &str) -> TransactionalConfig {
    let mut config = TransactionalConfig::new(ProviderName::new("mailchimp").unwrap(), key());
    base_url.clone_into(&mut config.http.base_url);
    config.http.timeouts = short();
    config
}

pub(crate) fn mailchimp_in(base_url: &str, mode: Mode) -> TransactionalProvider {
    let mut config = mailchimp_config(base_url);
    config.mode = mode;
    TransactionalProvider::new(config, Arc::new(SystemClock)).unwrap()
}

pub(crate) async fn attempt(provider: &dyn Provider, parcels: &[Parcel]) -> Vec<Outcome> {
    provider.attempt(0, parcels, &RecordingCommit::granting()).await
}

pub(crate) fn text(text: &str) -> HeaderText {
    HeaderText::new(text).unwrap()
}

/// The recipients in the body of a request that sends, of whichever provider.
pub(crate) fn recipients(body: &[u8]) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let email =
        |to: &serde_json::Value| to.get("email").unwrap_or(to).as_str().unwrap_or_default().to_owned();
    if let Some(versions) = body["messageVersions"].as_array() {
        return versions.iter().map(|version| email(&version["to"][0])).collect();
    }
    let to = [&body["to"], &body["message"]["to"]];
    to.iter().filter_map(|to| to.as_array()).flatten().map(email).collect()
}

/// A message that tries everything: accents, a comma in a name, attachments, one-click opt-out, a
/// Reply-To, an international domain.
pub(crate) fn hard_message(number: usize) -> Message {
    let domain = if number.is_multiple_of(5) { "bücher.example" } else { "journal.example" };
    let mut message = message_to(&format!("journaliste{number}@{domain}"));
    let names = ["Zoé Martin", "Martin, Zoé", "O'Neil, \"Bob\"", "Ana", "Łukasz Żółć (Le Monde)"];
    message.to.name = Some(text(names[number % names.len()]));
    message.from.name = Some(text("Ministère, service de presse"));
    let mut reply_to = message.from.clone();
    reply_to.address = EmailAddress::parse("reponses@exemple.fr").unwrap();
    message.reply_to = Some(reply_to);
    message.subject = text("L’été à Évry : « cœur de ville » 🎉");
    message.headers =
        vec![(text("X-Release"), text("Été 2026")), (text("Auto-Submitted"), text("auto-generated"))];
    message.unsubscribe = Unsubscribe {
        mailto: Some(EmailAddress::parse("stop@exemple.fr").unwrap()),
        url: Some(format!("https://presse.exemple.fr/stop/{number}")),
    };
    message.attachments = attachments();
    message.mime = mime(&message);
    message
}

pub(crate) fn hard_parcels(count: usize) -> Vec<Parcel> {
    (1..=count).map(|number| parcel_of(hard_message(number))).collect()
}

fn attachments() -> Arc<[Attachment]> {
    static FILES: std::sync::LazyLock<Arc<[Attachment]>> = std::sync::LazyLock::new(|| {
        let pdf = attachment("Communiqué – été 2026.pdf", "application/pdf", &b"%PDF-1.7 ".repeat(4000));
        let photo = attachment("photo, une.jpg", "image/jpeg", &[0xff, 0xd8, 0xff, 0xe0, 0, 1, 2, 3]);
        Arc::from([pdf, photo])
    });
    Arc::clone(&FILES)
}

fn attachment(name: &str, media_type: &str, content: &[u8]) -> Attachment {
    let encoded = STANDARD.encode(content);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    Attachment {
        name: text(name),
        media_type: media_type.to_owned(),
        content: Bytes::copy_from_slice(content),
        encoded: Bytes::from(format!("{}\r\n", lines.join("\r\n"))),
    }
}

/// The message by hand, with its attachments.
fn mime(message: &Message) -> Mime {
    let mut whole = format!(
        "From: <{}>\r\nTo: <{}>\r\nSubject: =?UTF-8?Q?L=C3=A9t=C3=A9?=\r\nMessage-ID: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>Été</p>\r\n",
        message.from.address,
        message.to.address,
        message.message_id.as_str()
    );
    for file in message.attachments.iter() {
        let encoded = std::str::from_utf8(&file.encoded).unwrap();
        whole.push_str(&format!(
            "--b1\r\nContent-Type: {}\r\nContent-Disposition: attachment; filename*=utf-8''x\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{encoded}",
            file.media_type
        ));
    }
    whole.push_str("--b1--\r\n");
    Mime { segments: vec![Bytes::from(whole)], is_8bit: true }
}

/// What stands outside the repository, when it is there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let roots = std::env::var_os("DEPECHE_SHARED").map(PathBuf::from).into_iter().chain(
        ["../../../shared", "../../../../shared"]
            .map(|above| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(above)),
    );
    let found = roots.map(|root| root.join("reference").join(path)).find(|path| path.exists());
    if found.is_none() {
        println!("left out: {path} is not there (DEPECHE_SHARED names the folder that holds reference/)");
    }
    found
}
