//! A master file cut into entries and words, each with its place (RFC 1035, section 5.1).
//!
//! What never closes is a problem of its own line, and the reading goes on behind it: one forgotten quote
//! must not hide the errors below. An open parenthesis is given up at the next line that begins with a name.

use super::fault::{self, ZoneProblem};
use crate::span::Span;

/// So many parentheses that never close are looked behind; each costs a walk to the end of the file.
const MAX_UNCLOSED: usize = 32;

/// A word of an entry: its octets with escapes resolved, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    pub(super) span: Span,
    /// Its line, from 1: values in parentheses stand on lines of their own.
    pub(super) line: usize,
    /// Whether a remark begins right behind it, without a space: it was perhaps to be a part of it.
    pub(super) is_cut: bool,
}

impl Word {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// One entry: a logical line, with parentheses resolved.
#[derive(Debug)]
pub(super) struct Entry {
    /// The line it begins on, from 1.
    pub(super) line: usize,
    /// Whether it begins with white space: the owner is the one before.
    pub(super) begins_blank: bool,
    /// Its words; never empty.
    pub(super) words: Vec<Word>,
}

/// All whole entries of a file, and what could not be cut.
pub(super) fn entries(text: &str) -> (Vec<Entry>, Vec<ZoneProblem>) {
    let mut scanner = Scanner { text, at: 0, line: 1, problems: Vec::new(), unclosed: 0 };
    let mut all = Vec::new();
    while scanner.peek().is_some() {
        all.extend(scanner.entry().filter(|entry| !entry.words.is_empty()));
    }
    (all, scanner.problems)
}

struct Scanner<'a> {
    text: &'a str,
    /// The octet that is read next.
    at: usize,
    line: usize,
    problems: Vec<ZoneProblem>,
    unclosed: usize,
}

/// Where a parenthesis was opened: what a reader goes back to when it never closes.
struct Open {
    at: usize,
    line: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// The next entry; `None` when it cannot be used, which its problem says.
    fn entry(&mut self) -> Option<Entry> {
        let begins_blank = matches!(self.peek(), Some(' ' | '\t'));
        let mut entry = Entry { line: self.line, begins_blank, words: Vec::new() };
        let known = self.problems.len();
        let mut open: Vec<Open> = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.next();
                    if open.is_empty() {
                        break;
                    }
                }
                ';' => self.skip_to_line_end(),
                '(' => {
                    open.push(Open { at: self.at, line: self.line });
                    self.next();
                }
                ')' => {
                    if open.pop().is_none() {
                        self.report(self.line, Span::new(self.at, self.at + 1), fault::stray_parenthesis());
                    }
                    self.next();
                }
                '"' => entry.words.extend(self.quoted()),
                c if c.is_whitespace() => {
                    self.next();
                }
                _ => entry.words.push(self.bare()),
            }
        }
        if let Some(first) = open.into_iter().next() {
            self.give_up(&first, known);
        }
        (self.problems.len() == known).then_some(entry)
    }

    /// A parenthesis that is open at the end of the file: goes on at the next line that begins with a name,
    /// and forgets what was found behind it. A quote that hid the other parenthesis speaks for both.
    fn give_up(&mut self, open: &Open, known: usize) {
        self.unclosed += 1;
        if self.unclosed < MAX_UNCLOSED {
            (self.at, self.line) = (open.at, open.line);
            self.skip_line();
            while self.peek().is_some_and(|c| c.is_whitespace() || matches!(c, ')' | ';' | '"')) {
                self.skip_line();
            }
        }
        let end = self.at;
        let found = self.problems.split_off(known);
        self.problems.extend(found.into_iter().filter(|problem| problem.span.start < end));
        if self.problems.len() == known {
            self.report(open.line, Span::new(open.at, open.at + 1), fault::unclosed_parenthesis());
        }
    }

    fn skip_line(&mut self) {
        self.skip_to_line_end();
        self.next();
    }

    fn skip_to_line_end(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |ahead| self.at + ahead);
    }

    fn report(&mut self, line: usize, span: Span, what: fault::What) {
        self.problems.push(ZoneProblem::of(self.text, line, span, what));
    }

    fn bare(&mut self) -> Word {
        let start = self.at;
        let mut bytes = Vec::new();
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace() && !matches!(c, ';' | '(' | ')' | '"'))
        {
            self.push(c, &mut bytes);
        }
        let is_cut = self.peek() == Some(';');
        Word { bytes, span: Span::new(start, self.at), line: self.line, is_cut }
    }

    /// A quoted string; `None` and a problem when its line ends first.
    fn quoted(&mut self) -> Option<Word> {
        let (start, line) = (self.at, self.line);
        let mut bytes = Vec::new();
        self.next();
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            if c == '"' {
                self.next();
                return Some(Word { bytes, span: Span::new(start, self.at), line, is_cut: false });
            }
            self.push(c, &mut bytes);
        }
        self.report(line, Span::new(start, start + 1), fault::unclosed_quote());
        None
    }

    /// Takes one character, resolving `\DDD` and `\X` (RFC 1035, section 5.1). A line end is never taken.
    fn push(&mut self, c: char, bytes: &mut Vec<u8>) {
        self.next();
        let mut buffer = [0; 4];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            return;
        }
        let code =
            self.text.get(self.at..self.at + 3).filter(|code| code.bytes().all(|b| b.is_ascii_digit()));
        if let Some(octet) = code.and_then(|code| code.parse::<u8>().ok()) {
            bytes.push(octet);
            self.at += 3;
        } else if let Some(escaped) = self.peek().filter(|c| *c != '\n') {
            self.next();
            bytes.extend_from_slice(escaped.encode_utf8(&mut buffer).as_bytes());
        }
    }
}
