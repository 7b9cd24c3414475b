//! Reports whose boundary does not fit what stands between their parts, as gateways leave them that rewrite
//! one and not the other (sample 07 of the French ones). The parts are found by their content types.

/// The fields about the recipients, and the headers of the returned message where they are there.
pub(super) struct Torn<'r> {
    pub(super) status: &'r str,
    pub(super) returned: Option<&'r str>,
}

/// Takes the body of a report apart; `None` when it holds no message/delivery-status.
pub(super) fn apart(body: &str) -> Option<Torn<'_>> {
    let status = part(body, &["message/delivery-status", "message/global-delivery-status"])?;
    let returned =
        part(body, &["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"]);
    Some(Torn { status, returned })
}

/// What stands below the headers of the first part of one of `kinds`, up to the next line that begins with
/// two hyphens.
fn part<'r>(body: &'r str, kinds: &[&str]) -> Option<&'r str> {
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        at += line.len();
        let named = line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"));
        let kind = named.map(|(_, value)| value.split(';').next().unwrap_or_default().trim());
        if kind.is_some_and(|kind| kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))) {
            return below_headers(&body[at..]).map(until_next);
        }
    }
    None
}

fn below_headers(rest: &str) -> Option<&str> {
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end().is_empty() {
            return Some(&rest[at..]);
        }
    }
    None
}

fn until_next(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("--") {
            break;
        }
        at += line.len();
    }
    &text[..at]
}
