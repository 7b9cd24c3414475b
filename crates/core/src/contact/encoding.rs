//! The text of a list: which encoding it is in, and the bytes turned into UTF-8 as they come.
//!
//! Order of belief: a byte order mark (as in the WHATWG Encoding Standard it wins over everything
//! that is said about the text); what the user asked for; UTF-16 without a mark, by its zero
//! bytes; valid UTF-8; a guess by chardetng with the hint "fr" (Windows-1252 for French lists). An
//! all-ASCII beginning decides nothing: the choice waits for the first other byte, however late it
//! comes, and is made on the 64 KiB that follow it. So the file is read once and never kept.
//!
//! MacRoman, in which Excel on a Mac writes, is believed where an accent of it stands inside a word and no
//! accent of Windows-1252 does: as Windows-1252, `Zoé` would be `ZoŽ`. Files that are no text at all
//! (spreadsheets, archives, PDF) are refused with the way out.

use std::collections::VecDeque;
use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE};

use super::error::ListError;

/// How many bytes an encoding is judged by, and the most that is held undecoded.
const WINDOW_BYTES: usize = 64 * 1024;

/// An encoding that a list can be in, as the user names it (`utf-8`, `windows-1252`, `macroman` …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEncoding(&'static Encoding);

/// Why the encoding is believed to be what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodingEvidence {
    /// The user said so.
    Asked,
    /// The file begins with a byte order mark.
    ByteOrderMark,
    /// Every byte so far is ASCII, which reads the same in nearly every encoding.
    AsciiOnly,
    /// Zero bytes stand where UTF-16 puts them.
    ZeroBytes,
    /// The text is valid UTF-8.
    Valid,
    /// The text is UTF-8 but for a few broken characters, whose rows are left out.
    MostlyValid,
    /// Guessed from the frequency of characters.
    Guessed,
}

impl TextEncoding {
    /// UTF-8.
    pub const UTF_8: Self = Self(UTF_8);

    /// The encoding with this name: the WHATWG labels, and `macroman`, `mac`, `ansi`, `excel`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let folded = name.trim().to_ascii_lowercase();
        match folded.as_str() {
            "macroman" | "mac-roman" | "mac" | "macos" => Some(Self(MACINTOSH)),
            "ansi" | "excel" | "cp1252" => Some(Self(encoding_rs::WINDOWS_1252)),
            "utf8" => Some(Self(UTF_8)),
            _ => Encoding::for_label_no_replacement(folded.as_bytes()).map(Self),
        }
    }

    /// The name as the WHATWG Encoding Standard has it: `UTF-8`, `windows-1252`, `macintosh` …
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

/// Decodes a stream to UTF-8, piece by piece, and remembers where it could not.
pub(super) struct TextStream<R> {
    input: R,
    at_end: bool,
    raw: Vec<u8>,
    decoder: Option<Decoder>,
    finished: bool,
    written: u64,
    /// Offsets in the decoded text of characters that could not be decoded (U+FFFD stands there).
    pub(super) malformed: VecDeque<u64>,
    pub(super) encoding: TextEncoding,
    pub(super) evidence: EncodingEvidence,
    pub(super) had_bom: bool,
}

impl<R: Read> TextStream<R> {
    /// Reads the beginning of `input` and decides what can be decided by it.
    pub(super) fn open(input: R, asked: Option<TextEncoding>) -> Result<Self, ListError> {
        let mut stream = Self {
            input,
            at_end: false,
            raw: Vec::with_capacity(WINDOW_BYTES),
            decoder: None,
            finished: false,
            written: 0,
            malformed: VecDeque::new(),
            encoding: TextEncoding::UTF_8,
            evidence: EncodingEvidence::AsciiOnly,
            had_bom: false,
        };
        stream.refill()?;
        if stream.raw.iter().all(u8::is_ascii_whitespace) && stream.at_end {
            return Err(ListError::Empty);
        }
        if let Some(kind) = file_kind(&stream.raw) {
            return Err(ListError::NotText { kind });
        }
        stream.look_for_marks(asked);
        Ok(stream)
    }

    /// Appends the next decoded piece to `out`; `false` at the end.
    pub(super) fn next_piece(&mut self, out: &mut String) -> io::Result<bool> {
        if self.finished {
            return Ok(false);
        }
        let before = out.len();
        if self.decoder.is_none() {
            let ascii = Encoding::ascii_valid_up_to(&self.raw);
            out.extend(self.raw.drain(..ascii).map(char::from));
            self.refill()?;
            if !self.raw.is_empty() && !self.raw[0].is_ascii() {
                let (encoding, evidence) = judge(&self.raw, self.at_end);
                self.choose(encoding, evidence);
            }
        } else {
            self.decode(out);
            self.refill()?;
        }
        self.written += (out.len() - before) as u64;
        self.finished |= self.decoder.is_none() && self.raw.is_empty() && self.at_end;
        Ok(true)
    }

    fn look_for_marks(&mut self, asked: Option<TextEncoding>) {
        let mark = Encoding::for_bom(&self.raw);
        if let Some((_, length)) = mark {
            self.had_bom = true;
            self.raw.drain(..length);
        }
        match (mark, asked, utf16_by_zero_bytes(&self.raw)) {
            (Some((encoding, _)), ..) => self.choose(encoding, EncodingEvidence::ByteOrderMark),
            (None, Some(asked), _) => self.choose(asked.0, EncodingEvidence::Asked),
            (None, None, Some(encoding)) => self.choose(encoding, EncodingEvidence::ZeroBytes),
            (None, None, None) => {}
        }
    }

    fn choose(&mut self, encoding: &'static Encoding, evidence: EncodingEvidence) {
        self.encoding = TextEncoding(encoding);
        self.evidence = evidence;
        self.decoder = Some(encoding.new_decoder_without_bom_handling());
    }

    fn decode(&mut self, out: &mut String) {
        let Some(decoder) = self.decoder.as_mut() else { return };
        let start = out.len();
        let mut read = 0;
        loop {
            let rest = &self.raw[read..];
            let room = decoder.max_utf8_buffer_length_without_replacement(rest.len());
            out.reserve(room.unwrap_or(4 * WINDOW_BYTES) + 16);
            let (result, consumed) = decoder.decode_to_string_without_replacement(rest, out, self.at_end);
            read += consumed;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.malformed.push_back(self.written + (out.len() - start) as u64);
                    out.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        self.raw.clear();
        self.finished = self.at_end;
    }

    fn refill(&mut self) -> io::Result<()> {
        while !self.at_end && self.raw.len() < WINDOW_BYTES {
            let missing = (WINDOW_BYTES - self.raw.len()) as u64;
            let read = self.input.by_ref().take(missing).read_to_end(&mut self.raw)?;
            self.at_end = read == 0;
        }
        Ok(())
    }
}

/// Decides by a window that begins with the first byte that is not ASCII.
fn judge(window: &[u8], at_end: bool) -> (&'static Encoding, EncodingEvidence) {
    let (mut valid, mut broken, mut position) = (0_usize, 0_usize, 0_usize);
    for chunk in window.utf8_chunks() {
        valid += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        position += chunk.valid().len() + chunk.invalid().len();
        let cut_by_the_window = !at_end && position == window.len() && chunk.invalid().len() < 4;
        broken += usize::from(!chunk.invalid().is_empty() && !cut_by_the_window);
    }
    if broken == 0 {
        return (UTF_8, EncodingEvidence::Valid);
    }
    // Windows-1252 text hardly ever holds a valid multi-byte sequence; UTF-8 with a few bytes pasted
    // from elsewhere holds many. Taking the latter for Windows-1252 would spoil every accent.
    if valid > broken {
        return (UTF_8, EncodingEvidence::MostlyValid);
    }
    if is_mac_roman(window) {
        return (MACINTOSH, EncodingEvidence::Guessed);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(window, at_end);
    (detector.guess(Some(b"fr"), Utf8Detection::Deny), EncodingEvidence::Guessed)
}

/// Whether accents after a small letter are those of MacRoman. `ç`, `é`, `è` and `ê` of MacRoman are `Ž` or
/// nothing at all in Windows-1252, where no word has them there; what follows is ASCII, so that no half of a
/// Japanese or Chinese character is taken for one. (Apple's and Microsoft's tables at unicode.org, ROMAN.TXT and
/// cp1252.txt.)
fn is_mac_roman(window: &[u8]) -> bool {
    let (mut mac, mut windows) = (0_usize, 0_usize);
    for (at, octet) in window.iter().enumerate().skip(1) {
        let stands_in_a_word = window[at - 1].is_ascii_lowercase();
        if !stands_in_a_word || window.get(at + 1).is_some_and(|next| !next.is_ascii()) {
            continue;
        }
        mac += usize::from((0x8D..=0x90).contains(octet));
        windows += usize::from(*octet >= 0xE0);
    }
    mac > 0 && windows == 0
}

/// UTF-16 without a byte order mark: in a list of mostly Latin letters every other byte is zero.
fn utf16_by_zero_bytes(raw: &[u8]) -> Option<&'static Encoding> {
    let sample = &raw[..raw.len().min(512)];
    let pairs = sample.len() / 2;
    if pairs < 4 {
        return None;
    }
    let zeros = |odd: usize| sample.chunks_exact(2).filter(|pair| pair[odd] == 0).count();
    match (zeros(0) * 10 / pairs, zeros(1) * 10 / pairs) {
        (0, 5..) => Some(UTF_16LE),
        (5.., 0) => Some(UTF_16BE),
        _ => None,
    }
}

/// What a file is by its first bytes, when it is certainly not separated text.
fn file_kind(raw: &[u8]) -> Option<&'static str> {
    let holds = |needle: &[u8]| raw[..raw.len().min(4096)].windows(needle.len()).any(|w| w == needle);
    let lowered: Vec<u8> = raw.iter().take(64).map(u8::to_ascii_lowercase).collect();
    let text = lowered.trim_ascii_start();
    if raw.starts_with(b"PK\x03\x04") {
        return Some(match () {
            () if holds(b"opendocument.spreadsheet") => "an OpenDocument spreadsheet (.ods)",
            () if holds(b"[Content_Types].xml") || holds(b"xl/") => "an Excel workbook (.xlsx)",
            () => "a zip archive",
        });
    }
    if raw.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return Some("an old Excel workbook (.xls)");
    }
    match raw {
        [0x1F, 0x8B, ..] => Some("a gzip archive"),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32 text"),
        _ if raw.starts_with(b"%PDF-") => Some("a PDF document"),
        _ if raw.starts_with(b"SQLite format 3\0") => Some("a SQLite database"),
        _ if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") => Some("a web page"),
        _ if text.starts_with(b"begin:vcard") => Some("a vCard file (.vcf)"),
        _ => None,
    }
}
