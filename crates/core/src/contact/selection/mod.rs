//! Which contacts of a list a release goes to: `--where 'lang = fr and not tags has sport'`.
//!
//! # The language
//!
//! ```text
//! expression  comparison, or expressions joined by and, or, not, ( )
//! comparison  COLUMN = VALUE          COLUMN != VALUE
//!             COLUMN has VALUE        the cell is a list (`;`, `,` or `|`) and VALUE is one of its items
//!             COLUMN contains VALUE   VALUE stands somewhere in the cell
//!             COLUMN in (A, B, C)     the cell is one of these
//!             COLUMN < 2   <= > >=    both are numbers; a cell that is none never matches
//!             COLUMN is empty         COLUMN is set
//! ```
//!
//! `not` may also stand inside: `not in`, `not has`, `not contains`, `is not empty`. `and` binds closer
//! than `or`. A column or value with a space or sign in it goes in quotation marks: `outlet = "Le Progrès"`.
//!
//! Comparison knows no difference between capitals and small letters, composed and decomposed accents
//! (NFC), `'` and `’`, and ignores spaces around a cell; an accent itself counts. An absent cell is
//! empty text: `outlet != "Le Progrès"` takes contacts without an outlet.
//!
//! A column is found by its canonical name, its header in the file, or any synonym of either.

mod error;
mod lexer;
mod parser;

use unicode_normalization::UnicodeNormalization;

pub use error::{SelectionError, SelectionErrorKind};

use super::Contact;
use super::header::{ColumnMapping, fold as fold_header, meaning_of};
use super::nearest::nearest;
use parser::{Column, Comparison, Node, Test};

/// An expression that is well formed; its columns are not yet looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
}

/// An expression whose columns exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    root: Node,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// [`SelectionError`] with the place and what was expected there.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        Ok(Self { text: text.to_owned(), root: parser::parse(text)? })
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Looks for the columns among `columns`, those of all files of the list.
    ///
    /// # Errors
    ///
    /// Every column that no file has, with its place and the nearest name.
    pub fn bind<'c>(
        &self,
        columns: impl IntoIterator<Item = &'c ColumnMapping>,
    ) -> Result<Selection, Vec<SelectionError>> {
        let columns: Vec<&ColumnMapping> = columns.into_iter().collect();
        let mut root = self.root.clone();
        let mut errors = Vec::new();
        root.each_column(&mut |column| match find(&column.name, &columns) {
            Some(name) => column.name = name,
            None => errors.push(unknown(column, &columns)),
        });
        if errors.is_empty() { Ok(Selection { root }) } else { Err(errors) }
    }
}

impl Selection {
    /// Whether the contact is chosen.
    #[must_use]
    pub fn matches(&self, contact: &Contact) -> bool {
        self.root.holds(contact)
    }
}

impl Node {
    fn each_column(&mut self, action: &mut impl FnMut(&mut Column)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().for_each(|node| node.each_column(action)),
            Self::Not(node) => node.each_column(action),
            Self::Test(column, _) => action(column),
        }
    }

    fn holds(&self, contact: &Contact) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(contact)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(contact)),
            Self::Not(node) => !node.holds(contact),
            Self::Test(column, test) => {
                test.holds(contact.fields.get(&column.name).map_or("", String::as_str))
            }
        }
    }
}

impl Test {
    fn holds(&self, cell: &str) -> bool {
        match self {
            Self::Is(value) => fold(cell) == *value,
            Self::Has(value) => cell.split([';', ',', '|']).any(|item| fold(item) == *value),
            Self::Contains(value) => fold(cell).contains(value),
            Self::In(values) => values.contains(&fold(cell)),
            Self::Compare(comparison, limit) => {
                number(cell).is_some_and(|cell| comparison.holds(cell, *limit))
            }
            Self::Empty => cell.trim().is_empty(),
        }
    }
}

impl Comparison {
    fn holds(self, cell: f64, limit: f64) -> bool {
        match self {
            Self::Less => cell < limit,
            Self::AtMost => cell <= limit,
            Self::More => cell > limit,
            Self::AtLeast => cell >= limit,
        }
    }
}

/// The form in which values are compared.
fn fold(text: &str) -> String {
    text.trim().chars().map(|c| if c == '’' { '\'' } else { c }).flat_map(char::to_lowercase).nfc().collect()
}

/// A number as lists write it: `12`, `1,5`, `1 200`.
fn number(text: &str) -> Option<f64> {
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == ',' { '.' } else { c }).collect();
    let is_plain =
        !plain.is_empty() && plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    plain.parse().ok().filter(|_| is_plain)
}

/// The canonical name of the column that `asked` means.
fn find(asked: &str, columns: &[&ColumnMapping]) -> Option<String> {
    let same = |text: &str| fold(text) == fold(asked);
    let meaning = meaning_of(&fold_header(asked));
    let found = columns
        .iter()
        .find(|column| column.name == asked)
        .or_else(|| columns.iter().find(|column| same(&column.name) || same(&column.header)))
        .or_else(|| columns.iter().find(|column| Some(column.name.as_str()) == meaning));
    found.map(|column| column.name.clone())
}

fn unknown(column: &Column, columns: &[&ColumnMapping]) -> SelectionError {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        if !names.contains(&column.name) {
            names.push(column.name.clone());
        }
    }
    let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
    let near = nearest(&fold(&column.name), folded.iter().map(String::as_str), 2)
        .and_then(|near| folded.iter().position(|name| name == near))
        .map(|index| names[index].clone());
    SelectionError {
        span: column.span.clone(),
        kind: SelectionErrorKind::UnknownColumn {
            name: column.name.clone(),
            did_you_mean: near,
            columns: names,
        },
    }
}
