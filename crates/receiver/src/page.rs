//! The pages behind an opt-out link: small, of one piece, in French and English.
//!
//! They load nothing from anywhere, run no script, set no cookie, and say neither address nor name of the
//! reader. The policy that they are sent with allows their own style and form, and nothing else.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::lang::Lang;

/// What a page has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The link is good: a button asks for the decision.
    Ask,
    /// The same after a post that did not say what it wants.
    AskAgain,
    /// It is kept.
    Done,
    /// It could not be kept now.
    Busy,
    /// The link is none of ours, or of a delivery that is no longer known.
    Invalid,
    /// The link's last day is over.
    Expired,
}

/// Who asks, as the pages name them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) organisation: &'a str,
    pub(crate) mailto: &'a str,
}

impl Page {
    /// The page as an answer to a request.
    pub(crate) fn answer(self, lang: Lang, sender: Sender<'_>) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (CONTENT_LANGUAGE, lang.tag().to_owned()),
            (VARY, "accept-language".to_owned()),
            (CACHE_CONTROL, "no-store".to_owned()),
            (REFERRER_POLICY, "no-referrer".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (CONTENT_SECURITY_POLICY, policy()),
            (HeaderName::from_static("x-robots-tag"), "noindex".to_owned()),
        ];
        (self.status(), headers, self.html(lang, sender)).into_response()
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Ask | Self::Done => StatusCode::OK,
            Self::AskAgain => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Invalid => StatusCode::NOT_FOUND,
            Self::Expired => StatusCode::GONE,
        }
    }

    /// The page's text.
    fn html(self, lang: Lang, sender: Sender<'_>) -> String {
        let words = self.words(lang);
        let organisation = escaped(sender.organisation);
        let fill = |text: &str| {
            let parts: Vec<&str> = text.split("{org}").collect();
            parts.join(&organisation)
        };
        let title = fill(words.title);
        let first = fill(words.first);
        let form = match words.button {
            Some(button) => format!(
                "<form method=\"post\"><button name=\"{FIELD}\" value=\"{FIELD_VALUE}\">{button}</button></form>\n"
            ),
            None => String::new(),
        };
        let write = format!(
            "{} <a href=\"mailto:{}?subject=STOP\">{}</a>{}",
            words.before_mailto,
            escaped(&percent_encoded(sender.mailto)),
            escaped(sender.mailto),
            words.after_mailto
        );
        let other = match (self, lang) {
            (Self::Done | Self::Busy, _) => String::new(),
            (_, Lang::Fr) => {
                "<p class=\"lang\"><a href=\"?lang=en\" hreflang=\"en\" lang=\"en\">English</a></p>\n"
                    .to_owned()
            }
            (_, Lang::En) => {
                "<p class=\"lang\"><a href=\"?lang=fr\" hreflang=\"fr\" lang=\"fr\">Français</a></p>\n"
                    .to_owned()
            }
        };
        format!(
            "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title} – {organisation}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<p class=\"from\">{organisation}</p>\n\
             <h1>{title}</h1>\n<p>{first}</p>\n{form}<p class=\"more\">{write}</p>\n</main>\n{other}</body>\n</html>\n",
            tag = lang.tag(),
        )
    }

    /// No-break spaces stand as French typography wants them.
    fn words(self, lang: Lang) -> Words {
        match (self, lang) {
            (Self::Ask | Self::AskAgain, Lang::Fr) => Words {
                title: "Ne plus recevoir nos communiqués\u{202f}?",
                first: "Un clic suffit pour ne plus recevoir les communiqués de presse de {org}. Rien d’autre ne vous est \
                        demandé.",
                button: Some("Ne plus recevoir de communiqués"),
                before_mailto: "Vous pouvez aussi nous écrire\u{a0}:",
                after_mailto: "",
            },
            (Self::Ask | Self::AskAgain, Lang::En) => Words {
                title: "Stop receiving our press releases?",
                first: "One click, and you get no more press releases from {org}. Nothing else is asked of you.",
                button: Some("Stop sending me press releases"),
                before_mailto: "You can also write to us:",
                after_mailto: "",
            },
            (Self::Done, Lang::Fr) => Words {
                title: "C’est noté",
                first: "Vous ne recevrez plus les communiqués de presse de {org}. Un message déjà parti peut encore vous \
                        parvenir.",
                button: None,
                before_mailto: "C’était une erreur\u{202f}? Écrivez à",
                after_mailto: ".",
            },
            (Self::Done, Lang::En) => Words {
                title: "Done",
                first: "You get no more press releases from {org}. A message that is already under way may still reach \
                        you.",
                button: None,
                before_mailto: "Was it a mistake? Write to",
                after_mailto: ".",
            },
            (Self::Busy, Lang::Fr) => Words {
                title: "Votre demande n’est pas encore enregistrée",
                first: "Réessayez dans une minute, avec le même lien.",
                button: None,
                before_mailto: "Ou écrivez à",
                after_mailto: "\u{a0}: nous nous en occuperons.",
            },
            (Self::Busy, Lang::En) => Words {
                title: "Your request is not recorded yet",
                first: "Please try again in a minute, with the same link.",
                button: None,
                before_mailto: "Or write to",
                after_mailto: ", and we will see to it.",
            },
            (Self::Invalid, Lang::Fr) => Words {
                title: "Ce lien n’est pas valable",
                first: "Il a peut-être été coupé par votre messagerie. Rien n’a été modifié.",
                button: None,
                before_mailto: "Pour ne plus recevoir les communiqués, écrivez à",
                after_mailto: ".",
            },
            (Self::Invalid, Lang::En) => Words {
                title: "This link is not valid",
                first: "Your mail program may have cut it short. Nothing was changed.",
                button: None,
                before_mailto: "To get no more press releases, write to",
                after_mailto: ".",
            },
            (Self::Expired, Lang::Fr) => Words {
                title: "Ce lien n’est plus valable",
                first: "Sa date est passée. Rien n’a été modifié.",
                button: None,
                before_mailto: "Pour ne plus recevoir les communiqués, écrivez à",
                after_mailto: ".",
            },
            (Self::Expired, Lang::En) => Words {
                title: "This link has expired",
                first: "Nothing was changed.",
                button: None,
                before_mailto: "To get no more press releases, write to",
                after_mailto: ".",
            },
        }
    }
}

struct Words {
    title: &'static str,
    first: &'static str,
    button: Option<&'static str>,
    before_mailto: &'static str,
    after_mailto: &'static str,
}

/// Allows the one style by its hash (CSP level 3, section 2.3.1), the form to where it came from, and
/// nothing else.
fn policy() -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let hash = STANDARD.encode(hash.as_ref());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An address in a `mailto:` link (RFC 6068, section 2): what is neither a letter, a digit nor plain is
/// written as its octets.
fn percent_encoded(address: &str) -> String {
    let mut encoded = String::with_capacity(address.len());
    for byte in address.bytes() {
        if byte.is_ascii_alphanumeric() || b"@.-_~!$*+".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The field of the page's own form.
pub(crate) const FIELD: &str = "decision";
/// What it holds.
pub(crate) const FIELD_VALUE: &str = "stop";

const STYLE: &str = "
:root{color-scheme:light dark}
body{margin:0 auto;max-width:600px;padding:2.5rem 1.25rem;font:1.0625rem/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#1c1f23;background:#f5f5f2}
main{background:#fff;border:1px solid #dcdcd6;border-radius:8px;padding:2rem}
.from{margin:0 0 1.5rem;font-size:.9375rem;color:#5a6069}
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}
p{margin:0 0 1.25rem}
button{font:inherit;font-weight:600;width:100%;padding:.875rem 1rem;margin:.25rem 0 1.5rem;border:0;border-radius:6px;background:#9b1c1c;color:#fff;cursor:pointer}
button:hover{background:#7f1414}
button:focus-visible,a:focus-visible{outline:3px solid #2f6fd0;outline-offset:2px}
.more{margin:0;font-size:.9375rem;color:#5a6069;overflow-wrap:anywhere}
.lang{margin:1rem 0 0;font-size:.9375rem;text-align:center}
a{color:#1d4f9c}
@media(prefers-color-scheme:dark){body{color:#e8e8e4;background:#17191c}main{background:#202328;border-color:#363b42}.from,.more{color:#a9b0ba}a{color:#8db8ff}}
";
