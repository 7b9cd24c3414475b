//! Opt-out links (RFC 8058): a mail program posts, a person is shown a page with a button.
//!
//! Only a POST changes anything. Scanners that open every link of a message must not opt anybody out: GET
//! and HEAD show the page (RFC 8058, section 1). A POST must say what it wants: the mail program's
//! `List-Unsubscribe=One-Click` (section 3.1), as a form of either type (section 3.2 asks receivers for
//! both), or our page's own field. There is no redirect (section 3.1), and the answer to a repetition is
//! the same.

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::body::{self, BodyError};
use crate::lang::Lang;
use crate::metrics::SinkCall;
use crate::page::{FIELD, FIELD_VALUE, Page, Sender};
use crate::receiver::{OptOutLinks, Receiver};
use crate::sink::{OptOut, OptOutMeans, SinkError};
use depeche_core::opt_out::{DeliveryReference, OptOutToken, TokenError};

/// `List-Unsubscribe=One-Click` in a multipart form, with room for what a sender adds.
pub const STOP_CAP_BYTES: usize = 8 * 1024;

/// GET and HEAD: the page with the button. Changes nothing.
pub(crate) async fn show(
    State(receiver): State<Receiver>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let Some(links) = &receiver.inner.settings.opt_out else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let reader = Reader::of(links, &request);
    match verified(&receiver, links, &token) {
        Ok(_) => reader.answer(Page::Ask),
        Err(page) => reader.answer(page),
    }
}

/// POST: an opt-out.
pub(crate) async fn take(
    State(receiver): State<Receiver>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let Some(links) = &receiver.inner.settings.opt_out else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let reader = Reader::of(links, &request);
    let reference = match verified(&receiver, links, &token) {
        Ok(reference) => reference,
        Err(page) => return reader.answer(page),
    };
    let (head, body) = request.into_parts();
    let body = match body::read(body, STOP_CAP_BYTES, receiver.inner.settings.patience.body).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(BodyError::Slow) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        Err(BodyError::Broken) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let Some(means) = means(&head.headers, body).await else { return reader.answer(Page::AskAgain) };
    keep(&receiver, &reader, reference, means).await
}

async fn keep(
    receiver: &Receiver,
    reader: &Reader<'_>,
    reference: DeliveryReference,
    means: OptOutMeans,
) -> Response {
    let subject = OptOut { reference, at: receiver.inner.clock.now(), means };
    match receiver.ask_sink(SinkCall::OptOut, receiver.inner.sink.opt_out(subject)).await {
        Ok(()) => {
            receiver.inner.metrics.opted_out(means);
            reader.answer(Page::Done)
        }
        Err(SinkError::NoSuchDelivery) => {
            receiver.inner.metrics.refused_link("unknown");
            reader.answer(Page::Invalid)
        }
        Err(SinkError::Busy(_)) => {
            let seconds = receiver.inner.settings.patience.retry_after.as_secs().to_string();
            ([(RETRY_AFTER, seconds)], reader.answer(Page::Busy)).into_response()
        }
    }
}

fn verified(receiver: &Receiver, links: &OptOutLinks, token: &str) -> Result<DeliveryReference, Page> {
    OptOutToken::verify(&links.keys, token, receiver.inner.clock.now()).map_err(|error| match error {
        TokenError::Forged => {
            receiver.inner.metrics.refused_link("forged");
            Page::Invalid
        }
        TokenError::Expired(_) => {
            receiver.inner.metrics.refused_link("expired");
            Page::Expired
        }
    })
}

/// What a body asks for, if it asks for anything.
async fn means(headers: &HeaderMap, body: Bytes) -> Option<OptOutMeans> {
    let fields = fields(headers, body).await;
    let has = |name: &str, value: &str| {
        fields.iter().any(|(field, given)| field.eq_ignore_ascii_case(name) && given.trim() == value)
    };
    if has("List-Unsubscribe", "One-Click") {
        return Some(OptOutMeans::OneClick);
    }
    has(FIELD, FIELD_VALUE).then_some(OptOutMeans::Page)
}

async fn fields(headers: &HeaderMap, body: Bytes) -> Vec<(String, String)> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
        return form_urlencoded::parse(&body).into_owned().collect();
    }
    let request = Request::builder().header(CONTENT_TYPE, content_type).body(Body::from(body));
    let Ok(request) = request else { return Vec::new() };
    let Ok(mut parts) = Multipart::from_request(request, &()).await else { return Vec::new() };
    let mut fields = Vec::new();
    while let Ok(Some(part)) = parts.next_field().await {
        let name = part.name().unwrap_or_default().to_owned();
        let Ok(value) = part.text().await else { break };
        fields.push((name, value));
    }
    fields
}

/// To whom a page speaks, and for whom.
struct Reader<'a> {
    links: &'a OptOutLinks,
    lang: Lang,
}

impl<'a> Reader<'a> {
    fn of(links: &'a OptOutLinks, request: &Request) -> Self {
        Self { links, lang: Lang::choose(request.uri().query(), request.headers(), links.lang) }
    }

    fn answer(&self, page: Page) -> Response {
        let mailto = self.links.mailto.to_string();
        page.answer(self.lang, Sender { organisation: &self.links.organisation, mailto: &mailto })
    }
}
