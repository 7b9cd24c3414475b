//! Cells that a spreadsheet will not calculate.
//!
//! A cell that begins with `=`, `+`, `-` or `@` is a formula to Excel and LibreOffice, and a list
//! comes from anywhere. An apostrophe in front makes it text (OWASP, "CSV Injection"). Files meant
//! for people get it; files meant for programs do not, for it changes what the cell says.

use std::borrow::Cow;

/// `cell` with an apostrophe in front when a spreadsheet would calculate it.
///
/// ```
/// use depeche_core::contact::csv_safe;
///
/// assert_eq!(csv_safe("=1+1"), "'=1+1");
/// assert_eq!(csv_safe("Zoé"), "Zoé");
/// ```
#[must_use]
pub fn csv_safe(cell: &str) -> Cow<'_, str> {
    let begins = |text: &str| {
        // The last four are the full-width forms, which some spreadsheets take for the plain ones.
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
    };
    // Spreadsheets may drop spaces, and characters nobody sees, before they look.
    let hidden = |c: char| c == ' ' || c == '\u{A0}' || c == '\u{FEFF}' || c == '\0' || c == '\u{200B}';
    if begins(cell) || begins(cell.trim_start_matches(hidden)) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_calculate_becomes_text() {
        for cell in ["=1", "+33", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "\u{feff}=1", "＝1", "\0@x"] {
            assert_eq!(csv_safe(cell), format!("'{cell}"), "{cell:?}");
        }
        for cell in ["", "Zoé", "a=b", "1-2", "zoe@example.org", "'=1"] {
            assert_eq!(csv_safe(cell), cell);
        }
    }
}
