//! Breaks the text part at 72 columns, once it is personalised.

use textwrap::{Options, WordSplitter};

/// Columns of the text part (RFC 3676 asks for 78 at most; 72 leaves room for quoting).
const COLUMNS: usize = 72;

/// Wraps every line that is too long; lists and quotes hang, footnotes and URLs stay whole.
pub(super) fn wrap(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 40);
    for line in text.lines() {
        if line.starts_with('[') || textwrap::core::display_width(line) <= COLUMNS {
            out.push_str(line.trim_end());
        } else {
            let hang = hanging_indent(line);
            let options = Options::new(COLUMNS)
                .subsequent_indent(&hang)
                .break_words(false)
                .word_splitter(WordSplitter::NoHyphenation);
            out.push_str(&textwrap::fill(line, options));
        }
        out.push('\n');
    }
    out
}

fn hanging_indent(line: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let rest = &line[indent..];
    if rest.starts_with("> ") {
        let depth = rest.split_inclusive("> ").take_while(|part| *part == "> ").count();
        return "> ".repeat(depth);
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_bullet = rest.starts_with("- ");
    let is_numbered = digits > 0 && rest[digits..].starts_with(". ");
    let mark = if is_bullet {
        2
    } else if is_numbered {
        digits + 2
    } else {
        0
    };
    " ".repeat(indent + mark)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_list_item_hangs_and_a_footnote_stays_whole() {
        let long = "mot ".repeat(30);
        let note = format!("[1] https://exemple.fr/{}", "a".repeat(90));

        let text = super::wrap(&format!("- {long}\n{note}\n"));

        assert!(text.lines().nth(1).unwrap().starts_with("  mot"));
        assert_eq!(text.lines().last().unwrap(), note);
        assert!(text.lines().filter(|line| !line.starts_with('[')).all(|line| line.chars().count() <= 72));
    }
}
