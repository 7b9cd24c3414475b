//! Words, texts in quotation marks, and signs.

use std::ops::Range;

use super::error::{SelectionError, SelectionErrorKind};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Sign(Sign),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
    Open,
    Close,
    Comma,
    /// A lone `!`.
    Bang,
}

/// Splits an expression; the last token's end is the expression's.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, SelectionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = if let Some(closing) = closing_mark(first) {
            quoted(text, at, first, closing)?
        } else if let Some((sign, length)) = sign(&text[at..]) {
            (Token::Sign(sign), length)
        } else {
            let word = word(&text[at..]);
            (Token::Word(word.to_owned()), word.len())
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

fn closing_mark(first: char) -> Option<char> {
    match first {
        '"' => Some('"'),
        '\'' => Some('\''),
        '“' => Some('”'),
        '«' => Some('»'),
        _ => None,
    }
}

/// A text in quotation marks; a doubled closing mark inside stands for one.
fn quoted(text: &str, start: usize, first: char, closing: char) -> Result<(Token, usize), SelectionError> {
    let mut content = String::new();
    let mut rest = text[start + first.len_utf8()..].char_indices().peekable();
    while let Some((offset, character)) = rest.next() {
        if character != closing {
            content.push(character);
        } else if rest.next_if(|(_, next)| *next == closing).is_some() {
            content.push(closing);
        } else {
            let length = first.len_utf8() + offset + closing.len_utf8();
            // French typography puts a space, mostly one that does not break, inside « ».
            let content = if closing == '»' { content.trim().to_owned() } else { content };
            return Ok((Token::Text(content), length));
        }
    }
    let span = start..start + first.len_utf8();
    Err(SelectionError { span, kind: SelectionErrorKind::UnclosedText })
}

fn sign(rest: &str) -> Option<(Sign, usize)> {
    const SIGNS: [(&str, Sign); 14] = [
        ("==", Sign::Is),
        ("!=", Sign::IsNot),
        ("<>", Sign::IsNot),
        ("<=", Sign::AtMost),
        (">=", Sign::AtLeast),
        ("≠", Sign::IsNot),
        ("≤", Sign::AtMost),
        ("≥", Sign::AtLeast),
        ("=", Sign::Is),
        ("<", Sign::Less),
        (">", Sign::More),
        ("(", Sign::Open),
        (")", Sign::Close),
        (",", Sign::Comma),
    ];
    let known = SIGNS.iter().find(|(text, _)| rest.starts_with(text));
    known.map(|(text, sign)| (*sign, text.len())).or_else(|| rest.starts_with('!').then_some((Sign::Bang, 1)))
}

fn word(rest: &str) -> &str {
    let ends =
        |c: char| c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>' | '≠' | '≤' | '≥' | '(' | ')' | ',');
    &rest[..rest.find(ends).unwrap_or(rest.len())]
}
