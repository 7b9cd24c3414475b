//! From tokens to a tree, by recursive descent with a bound on depth.

use std::ops::Range;

use super::super::nearest::nearest;
use super::error::{SelectionError, SelectionErrorKind};
use super::lexer::{Sign, Token, tokens};
use super::{fold, number};
use crate::text::excerpt;

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 50;

/// What may stand between two comparisons.
pub(super) const JOINT: &str = "`and`, `or` or the end";
const OPERATOR: &str = "an operator (= != < <= > >= has contains in is)";
const COLUMN: &str = "a column";
const VALUE: &str = "a value";

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Column, Test),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// A comparison; values are folded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Is(String),
    Has(String),
    Contains(String),
    In(Vec<String>),
    Compare(Comparison, f64),
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

pub(super) fn parse(text: &str) -> Result<Node, SelectionError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len() };
    let root = parser.any(0)?;
    match parser.peek() {
        None => Ok(root),
        Some(_) => Err(parser.expected(JOINT, &["and", "or"])),
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    next: usize,
    end: usize,
}

impl Parser {
    fn any(&mut self, depth: usize) -> Result<Node, SelectionError> {
        let mut nodes = vec![self.all(depth)?];
        while self.take_word("or") {
            nodes.push(self.all(depth)?);
        }
        Ok(joined(nodes, Node::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Node, SelectionError> {
        let mut nodes = vec![self.negated(depth)?];
        while self.take_word("and") {
            nodes.push(self.negated(depth)?);
        }
        Ok(joined(nodes, Node::All))
    }

    fn negated(&mut self, depth: usize) -> Result<Node, SelectionError> {
        let mut negative = false;
        // A column may be called `not`; then it is followed by an operator.
        while self.is_word("not") && !self.operator_follows() {
            self.next += 1;
            negative = !negative;
        }
        let node = if self.take_sign(Sign::Open) { self.group(depth)? } else { self.comparison()? };
        Ok(if negative { Node::Not(Box::new(node)) } else { node })
    }

    fn group(&mut self, depth: usize) -> Result<Node, SelectionError> {
        if depth >= MAX_DEPTH {
            let span = self.tokens[self.next - 1].1.clone();
            return Err(SelectionError { span, kind: SelectionErrorKind::TooDeep });
        }
        let node = self.any(depth + 1)?;
        if self.take_sign(Sign::Close) {
            Ok(node)
        } else {
            Err(self.expected("`)`, `and` or `or`", &["and", "or"]))
        }
    }

    fn comparison(&mut self) -> Result<Node, SelectionError> {
        let span = self.span();
        let name = self.value(COLUMN)?;
        let column = Column { name, span };
        if self.take_word("is") {
            return self.state(column);
        }
        let negative = self.take_word("not");
        let (test, inverse) = self.test(negative)?;
        let node = Node::Test(column, test);
        Ok(if negative != inverse { Node::Not(Box::new(node)) } else { node })
    }

    /// After `is`: `empty`, `set`, `not empty`, `not set`.
    fn state(&mut self, column: Column) -> Result<Node, SelectionError> {
        let negative = self.take_word("not");
        let set = self.take_word("set");
        if !set && !self.take_word("empty") {
            return Err(self.expected("`empty` or `set`", &["empty", "set"]));
        }
        let node = Node::Test(column, Test::Empty);
        Ok(if set != negative { Node::Not(Box::new(node)) } else { node })
    }

    /// The operator and its value; whether the meaning is the opposite of the test.
    fn test(&mut self, after_not: bool) -> Result<(Test, bool), SelectionError> {
        const WORDS: [&str; 4] = ["has", "contains", "in", "is"];
        if self.take_word("has") {
            return Ok((Test::Has(fold(&self.value(VALUE)?)), false));
        }
        if self.take_word("contains") {
            return Ok((Test::Contains(fold(&self.value(VALUE)?)), false));
        }
        if self.take_word("in") {
            return Ok((Test::In(self.values()?), false));
        }
        if after_not {
            return Err(self.expected("`has`, `contains` or `in`", &WORDS[..3]));
        }
        let sign = match self.peek() {
            Some(Token::Sign(sign)) => *sign,
            _ => return Err(self.expected(OPERATOR, &WORDS)),
        };
        let comparison = match sign {
            Sign::Less => Comparison::Less,
            Sign::AtMost => Comparison::AtMost,
            Sign::More => Comparison::More,
            Sign::AtLeast => Comparison::AtLeast,
            Sign::Is | Sign::IsNot => {
                self.next += 1;
                return Ok((Test::Is(fold(&self.value(VALUE)?)), sign == Sign::IsNot));
            }
            Sign::Open | Sign::Close | Sign::Comma | Sign::Bang => {
                return Err(self.expected(OPERATOR, &WORDS));
            }
        };
        self.next += 1;
        Ok((Test::Compare(comparison, self.number()?), false))
    }

    fn values(&mut self) -> Result<Vec<String>, SelectionError> {
        if !self.take_sign(Sign::Open) {
            return Err(self.expected("`(`: in (fr, en)", &[]));
        }
        let mut values = vec![fold(&self.value(VALUE)?)];
        while self.take_sign(Sign::Comma) {
            values.push(fold(&self.value(VALUE)?));
        }
        if self.take_sign(Sign::Close) { Ok(values) } else { Err(self.expected("`,` or `)`", &[])) }
    }

    fn number(&mut self) -> Result<f64, SelectionError> {
        let span = self.span();
        let text = self.value("a number")?;
        let error =
            || SelectionError { span, kind: SelectionErrorKind::NotANumber { found: excerpt(&text, 40) } };
        number(&text).ok_or_else(error)
    }

    fn value(&mut self, expected: &'static str) -> Result<String, SelectionError> {
        match self.peek() {
            Some(Token::Word(text) | Token::Text(text)) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.expected(expected, &[])),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn operator_follows(&self) -> bool {
        match self.tokens.get(self.next + 1) {
            Some((Token::Sign(sign), _)) => !matches!(sign, Sign::Open | Sign::Close | Sign::Comma),
            _ => false,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: Sign) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn expected(&self, expected: &'static str, words: &[&'static str]) -> SelectionError {
        let (found, did_you_mean) = match self.peek() {
            None => ("the end".to_owned(), None),
            Some(Token::Word(word)) => {
                let near = nearest(&word.to_lowercase(), words.iter().copied(), 1);
                (
                    format!("`{}`", excerpt(word, 40)),
                    near.and_then(|near| words.iter().find(|w| **w == near).copied()),
                )
            }
            Some(Token::Text(text)) => (format!("\"{}\"", excerpt(text, 40)), None),
            Some(Token::Sign(sign)) => (format!("`{}`", sign.text()), None),
        };
        SelectionError {
            span: self.span(),
            kind: SelectionErrorKind::Expected { expected, found, did_you_mean },
        }
    }
}

impl Sign {
    fn text(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Bang => "!",
        }
    }
}

fn joined(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => join(nodes),
    }
}
