//! One-click unsubscription (RFC 8058): two headers, https, and a signature that covers both.

use serde::Serialize;

use super::DkimLine;
use crate::dkim::{DkimResult, Source};
use crate::text::{Text, both};

/// What a message offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OneClick {
    /// There is a `List-Unsubscribe` field.
    pub offered: bool,
    /// It holds an https address.
    pub https: bool,
    /// `List-Unsubscribe-Post` says `List-Unsubscribe=One-Click`.
    pub post: bool,
    /// A signature that passes covers both fields (RFC 8058, section 4).
    pub signed: bool,
}

impl OneClick {
    /// Whether Gmail and Yahoo take it for one-click.
    #[must_use]
    pub fn works(self) -> bool {
        self.offered && self.https && self.post && self.signed
    }

    /// What stands in its way, for a person.
    #[must_use]
    pub fn note(self) -> Option<Text> {
        if !self.offered || self.works() {
            return None;
        }
        Some(if !self.https || !self.post {
            both!(
                "unsubscribing takes more than one click: an https address and List-Unsubscribe-Post are needed (RFC 8058)",
                "la désinscription n'est pas en un clic : il faut une adresse https et List-Unsubscribe-Post (RFC 8058)"
            )
        } else {
            both!(
                "no valid signature covers List-Unsubscribe and List-Unsubscribe-Post: Gmail and Yahoo ignore them",
                "aucune signature valide ne couvre List-Unsubscribe et List-Unsubscribe-Post : Gmail et Yahoo les ignorent"
            )
        })
    }
}

pub(super) fn look(source: &Source, signatures: &[DkimLine]) -> OneClick {
    let field = |name| source.named(name).next().map(crate::dkim::Header::value);
    let offer = field("List-Unsubscribe");
    let post = field("List-Unsubscribe-Post");
    let one_click = |value: &String| value.eq_ignore_ascii_case("List-Unsubscribe=One-Click");
    OneClick {
        offered: offer.is_some(),
        https: offer.is_some_and(|value| value.to_ascii_lowercase().contains("<https:")),
        post: post.as_ref().is_some_and(one_click),
        signed: signatures.iter().any(|line| line.result == DkimResult::Pass && line.covers_unsubscribe),
    }
}
