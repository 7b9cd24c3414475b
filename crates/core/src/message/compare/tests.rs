use super::*;
use crate::message::build::tests::{file, parts};

/// What was sent: one link, one image, one attachment with an accent in its name.
fn sent() -> String {
    sent_with("Communiqué.pdf")
}

fn sent_with(attachment: &str) -> String {
    let mut parts = parts();
    parts.html = "<html><head><title>T</title><style>p { color: red }</style></head><body><p>Bonjour, voici \
                  <a href=\"https://exemple.fr/usine?a=1&amp;b=2\">l’usine</a>.</p><p>Fin</p></body></html>"
        .to_owned();
    parts.text = "Bonjour, voici l’usine.\r\n\r\nFin\r\n".to_owned();
    parts.attachments = std::sync::Arc::from([file(attachment)]);
    String::from_utf8(parts.build().unwrap().mime.to_vec()).unwrap()
}

fn differences(received: &str) -> Vec<Difference> {
    compare(sent().as_bytes(), received.as_bytes()).unwrap()
}

/// The one difference that there is.
fn only(received: &str) -> Difference {
    let found = differences(received);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

/// The message with HTML of its own, the rest as it was sent.
fn with_html(html: &str) -> String {
    let whole = sent();
    let from = whole.find("Content-Type: text/html").unwrap();
    let body = from + whole[from..].find("\r\n\r\n").unwrap() + 4;
    let end = body + whole[body..].find("\r\n--=_").unwrap();
    let head = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    format!("{}{head}{html}{}", &whole[..from], &whole[end..])
}

const AS_SENT: &str = "<html><body><p>Bonjour, voici \
    <a href=\"https://exemple.fr/usine?a=1&amp;b=2\">l’usine</a>.</p><p>Fin</p></body></html>";

#[test]
fn the_same_message_with_the_traces_of_its_way_has_no_difference() {
    let way = "Return-Path: <bounce@relay.example>\r\nReceived: from a by b; Thu, 3 Dec 2026 08:00:01 +0100\r\n\
               DKIM-Signature: v=1; a=rsa-sha256; d=exemple.fr; s=s1; h=from; bh=x; b=y\r\n\
               ARC-Seal: i=1; a=rsa-sha256\r\nAuthentication-Results: mx; dkim=pass\r\n";

    assert_eq!(differences(&format!("{way}{}", sent())), []);
}

#[test]
fn a_pixel_is_told_from_an_image() {
    for (image, change) in [
        ("<img src=\"https://t.example/o.gif\" width=\"1\" height=\"1\">", Change::PixelAdded),
        ("<img src=\"https://t.example/o\" style=\"width: 0px; height:0px\">", Change::PixelAdded),
        ("<img src='//t.example/o' style='display: none'>", Change::PixelAdded),
        ("<img src=\"https://t.example/logo.png\" width=\"600\" height=\"1\">", Change::ImageAdded),
        ("<img src=\"cid:x@y\" width=\"1\" height=\"1\">", Change::ImageAdded),
    ] {
        let found = only(&with_html(&AS_SENT.replace("</body>", &format!("{image}</body>"))));

        assert_eq!((found.change, found.in_substance), (change, true), "{image}");
    }
}

#[test]
fn a_link_led_over_another_host_is_found_by_its_words() {
    let tracked = AS_SENT.replace("https://exemple.fr/usine?a=1&amp;b=2", "https://r.mail.example/tr/cl/abc");

    let found = only(&with_html(&tracked));

    assert_eq!(found.change, Change::LinkRewritten);
    assert_eq!(found.sent, "https://exemple.fr/usine?a=1&b=2");
    assert_eq!(found.received, "https://r.mail.example/tr/cl/abc");
}

#[test]
fn a_footer_is_words_and_a_link_that_were_not_sent() {
    let footer =
        "<p>Envoyé par Relais, <a href=\"https://relais.example/stop\">se désinscrire</a></p></body>";

    let found = differences(&with_html(&AS_SENT.replace("</body>", footer)));

    let told: Vec<_> = found.iter().map(|one| (one.change, one.received.as_str())).collect();
    let words = "Envoyé par Relais, se désinscrire";
    assert_eq!(told, [(Change::TextAdded, words), (Change::LinkAdded, "https://relais.example/stop")]);
}

#[test]
fn markup_that_changes_nothing_to_read_is_no_substance() {
    let found = only(&with_html(&AS_SENT.replace("<p>Fin", "<p class=\"x\">Fin")));

    assert_eq!((found.change, found.in_substance), (Change::MarkupChanged, false));
}

#[test]
fn a_file_is_followed_by_its_content() {
    let dropped = {
        let whole = sent();
        let at = whole.find("Content-Type: application/pdf").unwrap();
        let start = whole[..at].rfind("\r\n--=_mixed").unwrap();
        let end = whole.rfind("\r\n--=_mixed").unwrap();
        format!("{}{}", &whole[..start], &whole[end..])
    };
    let changed = sent().replace("JVBERg==", "JVBERi0=");

    let kinds = |received: &str| differences(received).iter().map(|one| one.change).collect::<Vec<_>>();

    assert_eq!(kinds(&dropped), [Change::PartDropped]);
    assert_eq!(kinds(&changed), [Change::FileChanged]);
    let renamed = only(&sent_with("Communique.pdf"));
    assert_eq!((renamed.change, renamed.sent.as_str()), (Change::FileRenamed, "Communiqué.pdf"));
}

#[test]
fn headers_that_a_reader_meets_count_and_others_are_told_aside() {
    let changed = sent()
        .replace("<presse+stop@exemple.fr>", "<x@relay.example>")
        .replace(
            "List-Unsubscribe: <mailto:presse+stop@exemple.fr?subject=STOP%20abc.1%40exemple.fr>",
            "List-Unsubscribe: <https://r.example/u>",
        )
        .replace("<abc.1@exemple.fr>", "<2026@relay.example>")
        .replace("MIME-Version:", "Feedback-ID: 1:2:relay\r\nMIME-Version:");

    let found = differences(&changed);

    let told: Vec<_> = found.iter().map(|one| (one.change, one.in_substance)).collect();
    assert!(told.contains(&(Change::HeaderChanged, true)), "{found:#?}");
    assert!(found.iter().any(|one| !one.in_substance && one.sent.starts_with("Message-ID: ")), "{found:#?}");
    assert!(
        found.iter().any(|one| !one.in_substance && one.received == "Feedback-ID: 1:2:relay"),
        "{found:#?}"
    );
    assert!(told.is_sorted_by_key(|(_, in_substance)| !in_substance));
}

#[test]
fn a_text_wrapped_anew_is_the_same_text() {
    let rewrapped = sent().replace("Bonjour, voici l", "Bonjour,\r\nvoici l");

    assert_eq!(paragraphs("a\r\nb\r\n\r\n\r\nc  d\r\n"), ["a b", "c d"]);
    assert!(differences(&rewrapped).iter().all(|one| !one.in_substance), "{:#?}", differences(&rewrapped));
}

#[test]
fn what_is_no_message_is_named() {
    assert_eq!(compare(b"", sent().as_bytes()), Err(NotAMessage(Which::Sent)));
    assert_eq!(compare(sent().as_bytes(), b"hello\r\n"), Err(NotAMessage(Which::Received)));
}

proptest::proptest! {
    #[test]
    fn no_markup_makes_it_panic(source in "[<>a-z \"'=/&;!-]{0,80}") {
        let _ = Html::read(&source);
    }
}
