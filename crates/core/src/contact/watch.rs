//! Watches the decoded text on its way to the CSV reader.
//!
//! The reader splits cells (RFC 4180); it does not say on which line a row began, that a quotation
//! mark was never closed, or that text follows a closing one. Each of these can swallow the rows of
//! other people, so they are found here, with the same small state machine, and kept by offset until
//! the reader has come that far. A row over 1 MiB is cut here, so that memory stays bounded.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::encoding::TextStream;
use super::separator::Separator;

/// The most bytes of one row that are kept.
pub(super) const MAX_ROW_BYTES: u64 = 1024 * 1024;

/// What was seen, and where in the text that the CSV reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Sight {
    /// A row that is not blank begins: row as a spreadsheet counts (the header is 1), line of the file.
    RowStart { row: u64, line: u64 },
    /// Bytes that are not text in the encoding of the file.
    Malformed,
    /// Text follows a closing quotation mark.
    TextAfterQuote { opened_on_line: u64, line: u64 },
    /// The row is longer than [`MAX_ROW_BYTES`]; the rest of it was dropped.
    RowCut,
    /// The text ends inside a quoted cell.
    Unclosed { row: u64, line: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RowStart,
    CellStart,
    Plain,
    Quoted,
    AfterQuote,
}

pub(super) struct Watch<R> {
    pub(super) text: TextStream<R>,
    separator: u8,
    piece: String,
    ready: Vec<u8>,
    taken: usize,
    decoded: u64,
    passed: u64,
    state: State,
    after_cr: bool,
    row: u64,
    line: u64,
    row_bytes: u64,
    cutting: bool,
    quote: (u64, u64),
    row_began: u64,
    ended: bool,
    sights: VecDeque<(u64, Sight)>,
}

impl<R: Read> Watch<R> {
    /// Goes on with `text`, of which `skipped` and then `head` are already decoded; `skipped` is not
    /// passed on (a second byte order mark, Excel's `sep=;`).
    pub(super) fn new(text: TextStream<R>, head: &str, skipped: &str, separator: Separator) -> Self {
        let mut watch = Self {
            text,
            separator: separator.byte(),
            piece: String::new(),
            ready: Vec::new(),
            taken: 0,
            decoded: skipped.len() as u64,
            passed: 0,
            state: State::RowStart,
            after_cr: false,
            row: 1,
            line: 1 + skipped.matches('\n').count() as u64,
            row_bytes: 0,
            cutting: false,
            quote: (0, 0),
            row_began: 0,
            ended: false,
            sights: VecDeque::new(),
        };
        watch.scan(head);
        watch
    }

    /// What was seen before `offset` and not yet told.
    pub(super) fn seen_before(&mut self, offset: u64) -> Vec<Sight> {
        let count = self.sights.iter().take_while(|(at, _)| *at < offset).count();
        self.sights.drain(..count).map(|(_, sight)| sight).collect()
    }

    fn scan(&mut self, piece: &str) {
        for byte in piece.bytes() {
            let is_malformed = self.text.malformed.front() == Some(&self.decoded);
            if is_malformed {
                self.text.malformed.pop_front();
            }
            self.decoded += 1;
            self.step(byte, is_malformed);
        }
    }

    fn step(&mut self, byte: u8, is_malformed: bool) {
        let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_cr);
        let second_half = byte == b'\n' && self.after_cr;
        self.after_cr = byte == b'\r';
        if self.state == State::RowStart && !matches!(byte, b'\r' | b'\n') {
            self.begin_row();
        }
        if is_malformed {
            self.see(Sight::Malformed, self.passed);
        }
        if !matches!(byte, b'\r' | b'\n') || self.state == State::Quoted {
            self.cut_if_too_long(byte);
        }
        let ends_row = ends_line && self.state != State::Quoted;
        if !self.cutting || ends_row {
            self.ready.push(byte);
            self.passed += 1;
            self.row_bytes += 1;
        }
        self.state = self.next_state(byte, ends_row, second_half);
        if ends_row {
            self.row += 1;
            self.cutting = false;
        }
        if ends_line {
            self.line += 1;
        }
    }

    fn next_state(&mut self, byte: u8, ends_row: bool, second_half: bool) -> State {
        if ends_row || (second_half && self.state == State::RowStart) {
            return State::RowStart;
        }
        match self.state {
            State::Quoted if byte == b'"' => State::AfterQuote,
            State::Quoted => State::Quoted,
            State::AfterQuote if byte == b'"' => State::Quoted,
            State::RowStart | State::CellStart if byte == b'"' => {
                self.quote = (self.row, self.line);
                State::Quoted
            }
            _ if byte == self.separator => State::CellStart,
            State::AfterQuote => {
                let sight = Sight::TextAfterQuote { opened_on_line: self.quote.1, line: self.line };
                self.see(sight, self.passed.saturating_sub(1));
                State::Plain
            }
            _ => State::Plain,
        }
    }

    fn begin_row(&mut self) {
        self.row_bytes = 0;
        self.row_began = self.passed;
        self.see(Sight::RowStart { row: self.row, line: self.line }, self.passed);
    }

    fn cut_if_too_long(&mut self, byte: u8) {
        let between_characters = byte & 0b1100_0000 != 0b1000_0000;
        if self.cutting || self.row_bytes < MAX_ROW_BYTES || !between_characters {
            return;
        }
        self.see(Sight::RowCut, self.passed.saturating_sub(1));
        if self.state == State::Quoted {
            self.ready.push(b'"');
            self.passed += 1;
        }
        self.cutting = true;
    }

    fn see(&mut self, sight: Sight, at: u64) {
        // One of a kind per row is enough to leave it out; a file of faults must not fill the memory.
        let told = self.sights.back().is_some_and(|(before, last)| {
            *before >= self.row_began && std::mem::discriminant(last) == std::mem::discriminant(&sight)
        });
        if !told {
            // What is found while a row is being cut still belongs to that row.
            let at = if self.cutting { at.min(self.passed.saturating_sub(1)) } else { at };
            self.sights.push_back((at, sight));
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if self.state == State::Quoted {
            let (row, line) = self.quote;
            self.sights.push_back((self.row_began, Sight::Unclosed { row, line }));
        }
    }
}

impl<R: Read> Read for Watch<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() && !self.ended {
            self.ready.clear();
            self.taken = 0;
            let mut piece = std::mem::take(&mut self.piece);
            piece.clear();
            if self.text.next_piece(&mut piece)? {
                self.scan(&piece);
            } else {
                self.end();
            }
            self.piece = piece;
        }
        let count = out.len().min(self.ready.len() - self.taken);
        out[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
