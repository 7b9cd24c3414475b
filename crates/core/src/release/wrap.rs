//! Breaks the text part at 72 columns, once it is personalised.

use std::collections::HashMap;

use textwrap::{Options, WordSplitter};

/// Columns of the text part (RFC 3676 asks for 78 at most; 72 leaves room for quoting).
const COLUMNS: usize = 72;

/// Wraps every line that is too long; lists and quotes hang, footnotes and URLs stay whole.
///
/// Remembers the lines that a template has without a blank to fill: they are the same in every message.
pub(super) struct Wrapper {
    known: HashMap<String, String>,
}

impl Wrapper {
    /// For the messages of one template.
    pub(super) fn new(template: &str) -> Self {
        let fixed = template.lines().filter(|line| !line.contains('{') && is_too_long(line));
        Self { known: fixed.map(|line| (line.to_owned(), wrap_line(line))).collect() }
    }

    /// The text with its long lines broken.
    pub(super) fn wrap(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + text.len() / 40);
        for line in text.lines() {
            if let Some(wrapped) = self.known.get(line) {
                out.push_str(wrapped);
            } else if is_too_long(line) {
                out.push_str(&wrap_line(line));
            } else {
                out.push_str(line.trim_end());
            }
            out.push('\n');
        }
        out
    }
}

/// Whether a line is to be broken. No character is wider than its octets are many.
fn is_too_long(line: &str) -> bool {
    line.len() > COLUMNS && !line.starts_with('[') && textwrap::core::display_width(line) > COLUMNS
}

fn wrap_line(line: &str) -> String {
    let hang = hanging_indent(line);
    let options = Options::new(COLUMNS)
        .subsequent_indent(&hang)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(line, options)
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

        let text = super::Wrapper::new("").wrap(&format!("- {long}\n{note}\n"));

        assert!(text.lines().nth(1).unwrap().starts_with("  mot"));
        assert_eq!(text.lines().last().unwrap(), note);
        assert!(text.lines().filter(|line| !line.starts_with('[')).all(|line| line.chars().count() <= 72));
    }

    #[test]
    fn a_line_of_the_template_is_wrapped_as_any_other() {
        let fixed = "- ".to_owned() + &"mot ".repeat(30);
        let template = format!("{fixed}\nBonjour {{{{ contact.first_name }}}}\n{fixed}\n");
        let text = template.replace("{{ contact.first_name }}", &"Zoé ".repeat(40));

        let wrapped = super::Wrapper::new(&template).wrap(&text);

        assert_eq!(wrapped, super::Wrapper::new("").wrap(&text));
        assert!(wrapped.lines().all(|line| line.chars().count() <= 72));
    }
}
