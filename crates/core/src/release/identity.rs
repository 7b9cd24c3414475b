//! Who sends: what depeche.toml says of the organisation, and every message shows.

use super::words::Language;
use crate::address::{EmailAddress, Mailbox};
use crate::text::HeaderText;

/// Who sends, frozen with a run so that a resumed run signs as it began.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// `[organisation]`.
    pub organisation: Organisation,
    /// `[from]` name and address.
    pub from: Mailbox,
    /// `[from] reply_to`.
    pub reply_to: Option<EmailAddress>,
    /// `[press_contact]`.
    pub press_contact: Option<PressContact>,
    /// `[unsubscribe]`.
    pub unsubscribe: UnsubscribeIdentity,
}

/// `[organisation]` of depeche.toml.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Organisation {
    /// The name in the legal block.
    pub name: String,
    /// The postal address in the legal block.
    pub postal_address: Option<String>,
    /// The privacy page.
    pub privacy_url: Option<String>,
    /// The "about" paragraph under every release.
    pub boilerplate: Option<String>,
}

/// Whom a journalist calls.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PressContact {
    /// Name as printed.
    pub name: HeaderText,
    /// E-mail address.
    pub address: EmailAddress,
    /// Telephone number as printed.
    pub phone: Option<HeaderText>,
}

/// `[unsubscribe]` of depeche.toml.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct UnsubscribeIdentity {
    /// Where an opt-out by mail goes.
    pub mailto: Option<EmailAddress>,
    /// https URL; one-click by RFC 8058 only when it holds `{token}`.
    pub url: Option<String>,
}

impl Identity {
    /// The example that stands in when there is no depeche.toml: nothing is sent under it. In French.
    #[must_use]
    pub fn example() -> Self {
        Self::example_in("fr")
    }

    /// [`Identity::example`] in the language of a release, `fr` or `en`; any other gives French.
    #[must_use]
    pub fn example_in(lang: &str) -> Self {
        let (press_office, boilerplate) = match Language::of(lang) {
            Some(Language::English) => (
                "Exemple Press Office",
                "Exemple SAS designs and makes measuring instruments for industry in Grenoble. \
                 Founded in 1987, the company employs 340 people.",
            ),
            _ => (
                "Service de presse Exemple",
                "Exemple SAS conçoit et fabrique à Grenoble des instruments de mesure pour l’industrie. \
                 L’entreprise, fondée en 1987, emploie 340 personnes.",
            ),
        };
        let address = |text: &str| EmailAddress::parse(text).expect("an address of the example");
        let text = |text: &str| HeaderText::new(text).expect("a text of the example");
        Self {
            organisation: Organisation {
                name: "Exemple SAS".to_owned(),
                postal_address: Some("12 rue des Dépêches, 38000 Grenoble, France".to_owned()),
                privacy_url: None,
                boilerplate: Some(boilerplate.to_owned()),
            },
            from: Mailbox { name: Some(text(press_office)), address: address("presse@exemple.fr") },
            reply_to: Some(address("jeanne.martin@exemple.fr")),
            press_contact: Some(PressContact {
                name: text("Jeanne Martin"),
                address: address("presse@exemple.fr"),
                phone: Some(text("+33 1 23 45 67 89")),
            }),
            unsubscribe: UnsubscribeIdentity { mailto: Some(address("presse+stop@exemple.fr")), url: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_speaks_the_language_of_the_release() {
        let about = |lang| Identity::example_in(lang).organisation.boilerplate.unwrap();

        assert!(about("en").contains("Founded in 1987") && about("en-GB").contains("Founded in 1987"));
        assert!(about("fr").contains("fondée en 1987") && about("de").contains("fondée en 1987"));
        assert_eq!(Identity::example(), Identity::example_in("fr"));
    }
}
