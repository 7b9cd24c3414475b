//! Sentences in the languages of the people who read them: English and French, always both.

use serde::{Serialize, Serializer};

/// A language that reports are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

/// One sentence in every language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// In English.
    pub en: String,
    /// In French.
    pub fr: String,
}

impl Text {
    /// The same in every language: a record, a name, a command.
    #[must_use]
    pub fn same(text: impl Into<String>) -> Self {
        let en = text.into();
        Self { fr: en.clone(), en }
    }

    /// In one language.
    #[must_use]
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Fr => &self.fr,
        }
    }
}

/// In JSON the English text stands; a report in another language replaces it before.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.en.serialize(serializer)
    }
}

/// Makes a [`Text`] of an English and a French format string, with names captured from around it.
macro_rules! both {
    ($en:literal, $fr:literal $(, $arg:expr)* $(,)?) => {
        $crate::text::Text { en: format!($en $(, $arg)*), fr: format!($fr $(, $arg)*) }
    };
}

pub(crate) use both;
