//! The headers: those that were sent, and those that came on the way.

use mail_parser::{Address, HeaderValue, Message as Parsed};

use super::{Change, Difference};

/// What a reader sees, or what steers their answer or their opt-out.
const SEEN: [&str; 7] =
    ["From", "To", "Reply-To", "Subject", "Sender", "List-Unsubscribe", "List-Unsubscribe-Post"];
/// What identifies a message, and what programs read.
const ASIDE: [&str; 4] = ["Message-ID", "Date", "Content-Language", "Auto-Submitted"];
/// What every mail gathers on its way, or what the parts are compared for.
const ON_THE_WAY: [&str; 20] = [
    "received",
    "return-path",
    "delivered-to",
    "dkim-signature",
    "authentication-results",
    "received-spf",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "x-received",
    "x-original-to",
    "x-gm-message-state",
    "x-google-smtp-source",
    "x-google-dkim-signature",
    "x-spam-status",
    "x-spam-score",
    "x-spam-level",
    "x-spam-flag",
    "x-spam-checker-version",
    "domainkey-signature",
];

pub(super) fn compare(sent: &Parsed<'_>, received: &Parsed<'_>, found: &mut Vec<Difference>) {
    for name in SEEN {
        compare_one(name, sent, received, found, true);
    }
    for name in ASIDE {
        compare_one(name, sent, received, found, false);
    }
    for header in received.headers() {
        let name = header.name();
        let lower = name.to_lowercase();
        let is_known = SEEN.iter().chain(&ASIDE).any(|known| known.eq_ignore_ascii_case(name))
            || ON_THE_WAY.contains(&lower.as_str())
            || lower.starts_with("arc-")
            || lower.starts_with("content-");
        if !is_known && sent.header(name.to_owned()).is_none() {
            let line = format!("{name}: {}", raw(received, name).unwrap_or_default());
            found.push(Difference::new(Change::HeaderAdded, "", line).aside());
        }
    }
    for header in sent.headers() {
        let name = header.name();
        let is_known = SEEN.iter().chain(&ASIDE).any(|known| known.eq_ignore_ascii_case(name));
        let is_mime =
            name.to_lowercase().starts_with("content-") || name.eq_ignore_ascii_case("mime-version");
        // What steers the provider is taken out by it.
        let steers = name.to_lowercase().starts_with("x-mc-");
        if !is_known && !is_mime && !steers && received.header(name.to_owned()).is_none() {
            found.push(Difference::new(Change::HeaderDropped, name, "").aside());
        }
    }
}

fn compare_one(
    name: &'static str,
    sent: &Parsed<'_>,
    received: &Parsed<'_>,
    found: &mut Vec<Difference>,
    in_substance: bool,
) {
    let line = |value: &str| format!("{name}: {value}");
    let difference = match (meaning(name, sent), meaning(name, received)) {
        (Some(sent), Some(received)) if sent != received => {
            Difference::new(Change::HeaderChanged, line(&sent), line(&received))
        }
        (Some(sent), None) => Difference::new(Change::HeaderDropped, line(&sent), ""),
        (None, Some(received)) => Difference::new(Change::HeaderAdded, "", line(&received)),
        _ => return,
    };
    found.push(if in_substance { difference } else { difference.aside() });
}

/// What a header says, however it is encoded and folded.
fn meaning(name: &'static str, message: &Parsed<'_>) -> Option<String> {
    match message.header(name)? {
        HeaderValue::Address(address) => Some(mailboxes(address)),
        HeaderValue::Text(text) => Some(text.to_string()),
        HeaderValue::DateTime(date) => Some(date.to_timestamp().to_string()),
        _ => raw(message, name),
    }
}

fn mailboxes(address: &Address<'_>) -> String {
    let one = |mailbox: &mail_parser::Addr<'_>| {
        let address = mailbox.address().unwrap_or_default().to_lowercase();
        match mailbox.name() {
            Some(name) => format!("{name} <{address}>"),
            None => address,
        }
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn raw(message: &Parsed<'_>, name: &str) -> Option<String> {
    let value = message.header_raw(name.to_owned())?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}
