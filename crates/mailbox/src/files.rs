//! Messages from files: an mbox, a Maildir, a folder of messages, or one message.
//!
//! Nothing is written or renamed. A file is read by pieces and a message kept up to
//! [`MESSAGE_CAP_BYTES`], so that the size of a file costs time and no memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::read::MESSAGE_CAP_BYTES;

/// The most messages of one reading.
pub const MOST_MESSAGES: usize = 50_000;

/// The messages of a file or folder, one after the other.
pub struct Files {
    paths: std::vec::IntoIter<PathBuf>,
    open: Option<Mbox<BufReader<File>>>,
    left: usize,
}

impl Files {
    /// Opens `path`: a folder with `new` or `cur` in it is a Maildir, another folder holds a message or an
    /// mbox per file, and a file is an mbox when it begins with `From `, and else one message.
    ///
    /// # Errors
    ///
    /// When it is not there or cannot be listed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let paths = if path.is_dir() { listed(path)? } else { vec![path.to_owned()] };
        if let [only] = paths.as_slice() {
            File::open(only)?;
        }
        Ok(Self { paths: paths.into_iter(), open: None, left: MOST_MESSAGES })
    }

    /// Whether there was more than [`MOST_MESSAGES`].
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.left == 0
    }
}

impl Iterator for Files {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(open) = &mut self.open {
                match open.next() {
                    Some(message) => {
                        self.left -= 1;
                        return Some(message);
                    }
                    None => self.open = None,
                }
            }
            let path = self.paths.next()?;
            match File::open(&path) {
                Ok(file) => self.open = Some(Mbox::new(BufReader::new(file))),
                Err(error) => {
                    return Some(Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))));
                }
            }
        }
    }
}

fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_maildir = ["new", "cur"].iter().any(|name| folder.join(name).is_dir());
    let folders =
        if is_maildir { vec![folder.join("new"), folder.join("cur")] } else { vec![folder.to_owned()] };
    let mut paths = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && entry.path().is_file() {
                paths.push(entry.path());
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// One file: messages that begin with a `From ` line (RFC 4155), or a single one.
struct Mbox<R> {
    reader: R,
    /// Known from the first line on.
    is_mbox: Option<bool>,
    is_over: bool,
}

impl<R: BufRead> Mbox<R> {
    fn new(reader: R) -> Self {
        Self { reader, is_mbox: None, is_over: false }
    }

    fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut message, mut after_blank) = (Vec::new(), false);
        while let Some(line) = line(&mut self.reader)? {
            let begins = line.starts_with(b"From ");
            match self.is_mbox {
                None => {
                    self.is_mbox = Some(begins);
                    if begins {
                        continue;
                    }
                }
                Some(true) if begins && after_blank => return Ok(Some(message)),
                Some(_) => {}
            }
            after_blank = matches!(line.as_slice(), b"\n" | b"\r\n");
            let room = MESSAGE_CAP_BYTES.saturating_sub(message.len());
            message.extend_from_slice(&line[..line.len().min(room)]);
        }
        self.is_over = true;
        Ok(self.is_mbox.is_some().then_some(message))
    }
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.message();
        self.is_over |= read.is_err();
        read.transpose()
    }
}

/// One line with its end, or as much of it as a message may have; `None` at the end of the file.
fn line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = reader.by_ref().take(MESSAGE_CAP_BYTES as u64).read_until(b'\n', &mut line)?;
    Ok((read > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Vec<u8>> {
        Mbox::new(text).map(Result::unwrap).collect()
    }

    /// RFC 4155, appendix A: a message begins with `From ` after an empty line.
    #[test]
    fn an_mbox_is_taken_apart_at_its_from_lines_and_nowhere_else() {
        let text =
            b"From a@b.fr Mon\nSubject: 1\n\nFrom here on\n\nFrom c@d.fr Mon\nSubject: 2\n\nx\nFrom inside\n";
        assert_eq!(
            read(text).len(),
            3,
            "an unquoted `From ` after an empty line begins a message, as the format has it"
        );
        let quoted = b"From a@b.fr Mon\nSubject: 1\n\n>From here on\nFrom inside\n\nFrom c@d.fr Mon\nSubject: 2\n\nx\n";
        let messages = read(quoted);
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with(b"Subject: 1") && messages[1].starts_with(b"Subject: 2"));
    }

    #[test]
    fn a_file_without_a_from_line_is_one_message() {
        let text = b"Subject: 1\n\nBonjour\n\nFrom here on it is still one\n";
        assert_eq!(read(text), [text.to_vec()]);
        assert!(read(b"").is_empty());
    }

    #[test]
    fn a_message_is_cut_and_a_line_without_end_does_not_matter() {
        let mut text = b"From a@b.fr Mon\nSubject: 1\n\n".to_vec();
        text.resize(3 * MESSAGE_CAP_BYTES, b'x');
        text.extend_from_slice(b"\n\nFrom c@d.fr Mon\nSubject: 2\n\nx\n");
        let messages = read(&text);
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].len(), MESSAGE_CAP_BYTES);
    }

    #[test]
    fn a_maildir_and_a_folder_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("new")).unwrap();
        std::fs::create_dir_all(folder.path().join("cur")).unwrap();
        std::fs::write(folder.path().join("new/2"), "Subject: 2\n\n").unwrap();
        std::fs::write(folder.path().join("cur/1:2,S"), "Subject: 1\n\n").unwrap();
        std::fs::write(folder.path().join("other"), "Subject: no\n\n").unwrap();
        let read: Vec<Vec<u8>> = Files::open(folder.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(Files::open(&folder.path().join("new")).unwrap().count(), 1);
        assert!(Files::open(&folder.path().join("absent")).is_err());
    }
}
