//! What the receiver's own mail server wrote on top of a message, when the user says that it is theirs.
//!
//! A server adds its fields above those that came with the message. Who wrote a `Received` is only text in
//! it, so a name proves nothing: the topmost is the receiver's own, and one below it is only while the client
//! of the one above is the receiver's own, too (the machine itself, a private network, a trusted address, a
//! trusted name that the server found by the address). The first field whose client is a stranger is the
//! border: it names who brought the message in, and everything below may be forged (RFC 8601, section 5;
//! RFC 5321, section 4.4). Where no client can be told, there is no border, and nothing below is read.

use std::net::IpAddr;

use mail_parser::{HeaderValue, Host, Message, MessageParser};
use serde::Serialize;

use crate::dkim::{Header, Source};
use crate::name;

/// The client, as the border server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Border {
    pub(super) ip: IpAddr,
    pub(super) helo: Option<String>,
}

/// The SPF result that the receiver's own server wrote down (RFC 8601, section 2.7.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotedSpf {
    /// The result's word.
    pub result: String,
    /// The domain it is about.
    pub domain: String,
    /// Who wrote it.
    pub by: String,
}

/// Whether a host is one of the trusted ones, or below one.
fn is_trusted(host: &str, trusted: &[String]) -> bool {
    trusted.iter().any(|own| name::is_within(host, own))
}

/// What the trusted servers wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Who brought the message in.
    pub(super) border: Option<Border>,
    /// The SPF result that they noted.
    pub(super) spf: Option<NotedSpf>,
}

/// Reads the run at the top of the message; nothing without trust.
pub(super) fn written(source: &Source, trusted: &[String]) -> Written {
    if trusted.is_empty() {
        return Written::default();
    }
    let (mut border, mut end) = (None, 0);
    for (at, header) in source.headers.iter().enumerate().filter(|(_, header)| header.is("Received")) {
        // A hop within the server (a queue, a filter, LMTP) names no client; what SMTP brought begins with `from`.
        let value = header.value().to_ascii_lowercase();
        if ["by ", "by\t", "("].iter().any(|start| value.starts_with(start)) {
            continue;
        }
        let parsed = parsed(header);
        let Some(received) = received(parsed.as_ref()) else { break };
        if !matches!(&received.by, Some(Host::Name(name)) if is_trusted(name, trusted)) {
            break;
        }
        end = at;
        let client = client(received, header);
        let is_own = client.as_ref().is_some_and(|client| is_own(client.ip, received, header, trusted));
        // Who brought it to a machine of ours, the next one says; or nobody does.
        border = client.filter(|_| !is_own);
        if !is_own {
            break;
        }
    }
    Written { border, spf: noted_spf(source.headers.get(..end).unwrap_or_default(), trusted) }
}

/// One field by itself, so that its place among the others is known.
fn parsed(header: &Header) -> Option<Message<'static>> {
    let text = [b"Received:", header.raw_value(), b"\r\n"].concat();
    MessageParser::default().parse_headers(&text).map(Message::into_owned)
}

fn received<'a>(message: Option<&'a Message<'_>>) -> Option<&'a mail_parser::Received<'a>> {
    message?.headers().iter().find_map(|header| match &header.value {
        HeaderValue::Received(received) => Some(&**received),
        _ => None,
    })
}

/// Whether the client is a machine of the receiver's own: by its address, or by the name that the server
/// looked up for the address and that leads back to it, `(name [address])`. What it called itself proves
/// nothing.
fn is_own(ip: IpAddr, received: &mail_parser::Received<'_>, header: &Header, trusted: &[String]) -> bool {
    let is_listed = trusted.iter().any(|own| own.parse() == Ok(ip));
    let is_named = received.from_iprev.as_deref().is_some_and(|name| {
        let text = header.value().to_ascii_lowercase();
        let is_confirmed = text.contains(&format!("({} [", name.to_ascii_lowercase()));
        is_confirmed && !text.contains("may be forged") && is_trusted(name, trusted)
    });
    is_inner(ip.to_canonical()) || is_listed || is_named
}

/// An address that nobody on the Internet has: the machine itself, or a private network (RFC 1918, RFC 4193,
/// RFC 6598, RFC 3927).
fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The address that the server saw. What the client called itself may be an address, too: where the reader
/// and the forms of servers do not name the same one, nobody knows.
fn client(received: &mail_parser::Received<'_>, header: &Header) -> Option<Border> {
    let ip = received.from_ip.or(match received.from {
        Some(Host::IpAddr(ip)) => Some(ip),
        _ => None,
    })?;
    let is_sure = seen_address(&header.value()).is_some_and(|seen| seen.to_canonical() == ip.to_canonical());
    is_sure.then(|| Border { ip, helo: helo(received) })
}

/// The address in the `from` part of a field: in its last comment (Postfix, Sendmail, Exchange, qmail), else
/// in the brackets after `from` (Exim). What follows `helo` or `ehlo` is the client's own word.
fn seen_address(field: &str) -> Option<IpAddr> {
    let (mut depth, mut in_comment, mut outside) = (0_u32, None, None);
    let mut is_greeting = false;
    let is_mark = |c: char| c.is_ascii_whitespace() || "()=".contains(c);
    for word in field.split_inclusive(is_mark) {
        let (text, mark) = match word.chars().last().filter(|last| is_mark(*last)) {
            Some(mark) => (&word[..word.len() - 1], Some(mark)),
            None => (word, None),
        };
        if depth == 0 && text.eq_ignore_ascii_case("by") {
            break;
        }
        let place = if depth > 0 { &mut in_comment } else { &mut outside };
        match address(text).filter(|_| !is_greeting) {
            Some(ip) if depth > 0 || text.starts_with('[') => *place = Some(ip),
            _ => {}
        }
        if !text.is_empty() {
            is_greeting = ["helo", "ehlo", "lhlo"].iter().any(|word| text.eq_ignore_ascii_case(word));
        }
        match mark {
            Some('(') => depth += 1,
            Some(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    in_comment.or(outside)
}

/// `192.0.2.1`, `[192.0.2.1]`, `[192.0.2.1]:25`, `[IPv6:2001:db8::1]`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => text,
    };
    let is_tagged = bare.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    bare.get(if is_tagged { 5 } else { 0 }..)?.parse().ok()
}

/// What the client called itself: Exim writes it in a comment, the others after `from`.
fn helo(received: &mail_parser::Received<'_>) -> Option<String> {
    let own = received.helo.as_ref().or(received.from.as_ref())?;
    match own {
        Host::Name(name) => Some(name.to_string()),
        Host::IpAddr(ip) => Some(format!("[{ip}]")),
    }
}

/// SPF from the topmost `Authentication-Results`, when a trusted server wrote it.
fn noted_spf(headers: &[Header], trusted: &[String]) -> Option<NotedSpf> {
    let field = headers.iter().find(|header| header.is("Authentication-Results"))?;
    let text = without_comments(&field.value());
    let mut parts = text.split(';');
    // The identifier may be followed by a version (RFC 8601, section 2.2).
    let by = parts.next()?.split_whitespace().next()?.to_owned();
    if !is_trusted(&by, trusted) {
        return None;
    }
    let spf = parts.map(str::trim).find(|part| part.to_ascii_lowercase().starts_with("spf"))?;
    let mut pairs = spf.split_whitespace().filter_map(|word| word.split_once('='));
    let (_, result) = pairs.next()?;
    let domain = pairs.find(|(property, _)| property.eq_ignore_ascii_case("smtp.mailfrom"));
    let domain = domain.map(|(_, value)| name::normal(name::of_address(value.trim_matches(['<', '>', '"']))));
    Some(NotedSpf { result: result.to_ascii_lowercase(), domain: domain?, by })
}

/// Comments may hold semicolons and pairs that are none (RFC 5322, section 3.2.2).
fn without_comments(text: &str) -> String {
    let (mut kept, mut depth, mut in_quotes) = (String::new(), 0_u32, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' if depth == 0 => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes && depth > 0 => depth -= 1,
            ';' if in_quotes => {}
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "Received: from mx.exemple.fr (localhost [127.0.0.1])\r\n\tby store.exemple.fr (Postfix) with LMTP id 1;\r\n\tFri, 27 Nov 2026 10:00:01 +0100\r\nReceived: from relay.example (mail.relay.example [192.0.2.7])\r\n\tby mx.exemple.fr (Postfix) with ESMTPS id 2\r\n\tfor <a@exemple.fr>; Fri, 27 Nov 2026 10:00:00 +0100\r\n";
    const FORGED: &str = "Received: from forged.example (forged.example [203.0.113.9])\r\n\tby mx.other.example (Postfix) with ESMTP id 3; Fri, 27 Nov 2026 09:00:00 +0100\r\nReceived: from deeper.example (deeper.example [203.0.113.10])\r\n\tby mx.exemple.fr (Postfix) with ESMTP id 4; Fri, 27 Nov 2026 08:00:00 +0100\r\n";

    fn read(header: &str, trusted: &str) -> Written {
        let message = format!("{header}From: a@example.org\r\n\r\nx\r\n");
        let trusted: Vec<_> = trusted.split_whitespace().map(str::to_owned).collect();
        written(&Source::parse(message.as_bytes()), &trusted)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn without_trust_nothing_is_believed() {
        let noted = "Authentication-Results: mx.exemple.fr; spf=pass smtp.mailfrom=a@b.example\r\n";
        for trusted in ["", "other.example"] {
            let found = read(&format!("{noted}{OURS}"), trusted);
            assert!(found.border.is_none() && found.spf.is_none(), "{trusted}: {found:?}");
        }
        // Without any hop of ours the field may have come with the message.
        assert!(read(noted, "exemple.fr").spf.is_none());
    }

    #[test]
    fn the_border_is_the_first_hop_whose_client_is_a_stranger() {
        let found = read(&format!("{OURS}{FORGED}"), "exemple.fr").border.unwrap();

        assert_eq!((Some(found.ip), found.helo.as_deref()), (ip("192.0.2.7"), Some("relay.example")));
    }

    /// Gmail's topmost field names no client: "Received: by 2002:a05:… with SMTP id …".
    #[test]
    fn a_hop_within_the_server_does_not_end_the_run() {
        // A filter that hands the message to Postfix again.
        let filter = "Received: by mx.exemple.fr (Postfix, from userid 110)\r\n\tid 9; Fri, 27 Nov 2026 10:00:01 +0100\r\n";
        let found = read(&format!("{filter}{OURS}{FORGED}"), "exemple.fr");
        assert_eq!(found.border.map(|border| border.ip), ip("192.0.2.7"));
        let inner = "Received: by 2002:a05:6504:1486:b0:2f1:1234:5678 with SMTP id x1; Fri, 27 Nov 2026 01:00:02 -0800 (PST)\r\n";
        let found = read(&format!("{inner}{OURS}{FORGED}"), "exemple.fr");
        assert_eq!(found.border.map(|border| border.ip), ip("192.0.2.7"));
    }

    /// RFC 8601, appendix B.3, the field of example.com.
    #[test]
    fn the_result_of_the_rfcs_example_is_read() {
        let field = "Authentication-Results: example.com;\r\n              auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n              spf=pass smtp.mailfrom=example.net\r\nReceived: from dialup-1-2-3-4.example.net (dialup-1-2-3-4.example.net [192.0.2.200]) by mail-router.example.com (8.11.6/8.11.6) with ESMTPA id g1G0r1kA003489; Fri, 15 Feb 2002 17:19:07 -0800\r\n";

        let noted = read(field, "example.com").spf.unwrap();

        assert_eq!((noted.result.as_str(), noted.domain.as_str()), ("pass", "example.net"));
        assert_eq!(noted.by, "example.com");
    }

    #[test]
    fn a_field_below_the_border_is_not_believed() {
        let noted = "Authentication-Results: mx.exemple.fr; spf=pass smtp.mailfrom=a@b.example\r\n";
        assert!(read(&format!("{noted}{OURS}{FORGED}"), "exemple.fr").spf.is_some());
        assert!(read(&format!("{OURS}{noted}{FORGED}"), "exemple.fr").spf.is_none());
        assert!(read(&format!("{OURS}{FORGED}{noted}"), "exemple.fr").spf.is_none());
    }

    fn hop(client: &str, by: &str) -> String {
        format!(
            "Received: from {client}\r\n\tby {by} (Postfix) with ESMTPS id 2; Fri, 27 Nov 2026 10:00:00 +0100\r\n"
        )
    }

    fn border(hops: &[(&str, &str)]) -> Option<IpAddr> {
        let header: String = hops.iter().map(|(client, by)| hop(client, by)).collect();
        read(&header, "exemple.fr 198.51.100.25").border.map(|border| border.ip)
    }

    /// RFC 5321, section 7.6: the contents of earlier trace fields may be forged; so may their `by`.
    #[test]
    fn a_senders_own_received_in_the_receivers_name_is_not_believed() {
        const MX: &str = "mx.exemple.fr";
        let forged = ("relay.x (relay.x [46.105.1.1])", MX);
        let real = ("evil.example (evil.example [203.0.113.9])", MX);

        assert_eq!(border(&[real, forged]), ip("203.0.113.9"));
        // What a client calls itself proves nothing, nor does a name that does not lead back to it.
        let as_ours = ("mx.exemple.fr (unknown [203.0.113.9])", MX);
        assert_eq!(border(&[as_ours, forged]), ip("203.0.113.9"));
        let doubted = ("x (mx.exemple.fr [203.0.113.9] (may be forged))", MX);
        assert_eq!(border(&[doubted, forged]), ip("203.0.113.9"));
        // A hop that shows no address: nobody knows who came.
        assert_eq!(border(&[("relay.x", MX), forged]), None);
        let noted = "Authentication-Results: mx.exemple.fr; spf=pass smtp.mailfrom=a@b.example\r\n";
        let below = format!("{}{noted}{}", hop("relay.x", MX), hop(forged.0, MX));
        let found = read(&below, "exemple.fr");
        assert!(found.border.is_none() && found.spf.is_none(), "{found:?}");
    }

    /// The forms of Postfix, Sendmail, Exim, qmail and Exchange, with an address as the client's own word.
    #[test]
    fn an_address_that_the_client_calls_itself_is_not_its_address() {
        const MX: &str = "mx.exemple.fr";
        let forged = ("relay.x (relay.x [46.105.1.1])", MX);
        for word in ["127.0.0.1", "46.105.1.1", "10.0.0.1", "by", "from", "for", "with", "id", "helo"] {
            for form in [
                "[WORD] (unknown [203.0.113.9])",
                "[WORD] (evil.example [203.0.113.9] (may be forged))",
                "WORD (unknown [203.0.113.9])",
                "[203.0.113.9] (helo=[WORD])",
                "[203.0.113.9] (port=4711 helo=WORD)",
                "evil.example ([203.0.113.9] helo=[WORD])",
                "unknown (HELO WORD) (203.0.113.9)",
                "unknown (HELO [WORD]) (203.0.113.9)",
                "WORD (203.0.113.9)",
                "[WORD] (203.0.113.9)",
            ] {
                let client = form.replace("WORD", word);
                let found = border(&[(&client, MX), forged]);
                assert!(found == ip("203.0.113.9") || found.is_none(), "{client}: {found:?}");
            }
        }
        for (client, known) in [
            ("relay.x (relay.x [203.0.113.9])", "203.0.113.9"),
            ("[192.168.1.5] (relay.x [203.0.113.9])", "203.0.113.9"),
            ("relay.x (relay.x [IPv6:2001:db8::9])", "2001:db8::9"),
            ("[203.0.113.9] (helo=relay.x)", "203.0.113.9"),
            ("relay.x ([203.0.113.9] helo=relay.x)", "203.0.113.9"),
            ("relay.x (HELO relay.x) (203.0.113.9)", "203.0.113.9"),
            ("relay.x (203.0.113.9)", "203.0.113.9"),
            ("[203.0.113.9]", "203.0.113.9"),
        ] {
            assert_eq!(border(&[(client, MX), forged]), ip(known), "{client}");
        }
    }

    #[test]
    fn below_a_machine_of_the_receivers_own_the_next_hop_is_read() {
        const MX: &str = "mx.exemple.fr";
        let real = ("relay.x (relay.x [203.0.113.9])", MX);
        for inner in [
            "filter (localhost [127.0.0.1])",
            "filter (localhost [IPv6:::1])",
            "filter (unknown [10.1.2.3])",
            "mx2 (mx2.exemple.fr [192.0.2.25])",
            "mx2 (unknown [198.51.100.25])",
        ] {
            assert_eq!(border(&[(inner, "store.exemple.fr"), real]), ip("203.0.113.9"), "{inner}");
            // Nobody says who brought it to that machine.
            assert_eq!(border(&[(inner, "store.exemple.fr"), ("x (x [192.0.2.1])", "mx.other")]), None);
        }
    }

    #[test]
    fn a_pair_within_a_comment_or_quotes_is_no_result() {
        let field = "Authentication-Results: mx.exemple.fr; dkim=fail reason=\"x; spf=pass smtp.mailfrom=evil.example\" (y; spf=pass smtp.mailfrom=evil.example); spf=fail smtp.mailfrom=a@b.example\r\n";

        let noted = read(&format!("{field}{OURS}"), "exemple.fr").spf.unwrap();

        assert_eq!((noted.result.as_str(), noted.domain.as_str()), ("fail", "b.example"));
    }
}
