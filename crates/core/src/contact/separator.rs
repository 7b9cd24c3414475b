//! Which character separates the cells: comma, semicolon or tab.
//!
//! Excel's own first line (`sep=;`) is obeyed. Otherwise each candidate reads the beginning of the
//! text, quotation marks respected, and the one wins whose header has an e-mail column and whose
//! rows have as many cells as the header, most consistently. With one column it does not matter:
//! then it is the comma.

use super::error::ListError;
use super::header;

/// How many rows are looked at.
const SAMPLE_ROWS: usize = 200;

/// What stands between two cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Separator {
    /// `,`
    Comma,
    /// `;` (Excel in French)
    Semicolon,
    /// Tab (Excel's "Unicode text")
    Tab,
}

impl Separator {
    /// All that are understood, in order of preference.
    pub const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// The character.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    /// Its name: `comma`, `semicolon`, `tab`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }

    /// The separator with this name, or that is this character.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|separator| {
            name.as_bytes() == [separator.byte()] || name.trim().eq_ignore_ascii_case(separator.name())
        })
    }
}

/// Splits Excel's `sep=;` off the beginning of the text: its separator and its length in bytes.
pub(super) fn sep_line(text: &str) -> Result<Option<(Separator, usize)>, ListError> {
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    let line = text[..end].trim_matches('"');
    let Some(stated) = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep=")).map(|_| &line[4..])
    else {
        return Ok(None);
    };
    if stated.chars().count() > 1 {
        return Ok(None);
    }
    let separator =
        Separator::named(stated).ok_or_else(|| ListError::UnknownSeparator { stated: stated.to_owned() })?;
    let terminator = match &text.as_bytes()[end..] {
        [b'\r', b'\n', ..] => 2,
        [] => 0,
        _ => 1,
    };
    Ok(Some((separator, end + terminator)))
}

/// The separator that explains the beginning of the text best.
pub(super) fn sniff(sample: &str, is_whole: bool) -> Separator {
    let score = |separator: Separator| score(sample, is_whole, separator);
    // `max_by_key` takes the last of equals; the order of preference is from the front.
    Separator::ALL.into_iter().rev().max_by_key(|separator| score(*separator)).unwrap_or(Separator::Comma)
}

/// (header has an e-mail column, rows agreeing with the header per thousand, columns).
fn score(sample: &str, is_whole: bool, separator: Separator) -> (bool, usize, usize) {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator.byte())
        .from_reader(sample.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().take(SAMPLE_ROWS).map_while(Result::ok).collect();
    let Some((header, rows)) = rows.split_first() else { return (false, 0, 0) };
    let columns = header.len();
    // The last row of a cut sample is cut as well.
    let rows =
        if is_whole || rows.len() == SAMPLE_ROWS - 1 { rows } else { &rows[..rows.len().saturating_sub(1)] };
    let agreeing = rows.iter().filter(|row| row.len() == columns).count();
    let agreement = if columns < 2 { 0 } else { (agreeing * 1000).checked_div(rows.len()).unwrap_or(1000) };
    let has_email = header.iter().any(header::is_email_column);
    (has_email, agreement, columns)
}
