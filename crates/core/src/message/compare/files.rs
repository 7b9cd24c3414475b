//! Attachments and images inside the message: by content, then by name.

use mail_parser::{Message as Parsed, MessagePart, MimeHeaders as _, PartType};

use super::{Change, Difference};

/// A file of a message.
struct File {
    name: String,
    /// For text, with LF line ends: those may change on the way.
    content: Vec<u8>,
}

pub(super) fn compare(sent: &Parsed<'_>, received: &Parsed<'_>, found: &mut Vec<Difference>) {
    let mut left = files(received);
    let mut unmatched = Vec::new();
    for file in files(sent) {
        let same = |other: &File| other.content == file.content;
        let at = left.iter().position(|other| same(other) && other.name == file.name);
        match at.or_else(|| left.iter().position(same)) {
            Some(at) => {
                let other = left.remove(at);
                if other.name != file.name {
                    found.push(Difference::new(Change::FileRenamed, &file.name, &other.name));
                }
            }
            None => unmatched.push(file),
        }
    }
    for file in unmatched {
        match left.iter().position(|other| other.name == file.name) {
            Some(at) => {
                let other = left.remove(at);
                found.push(Difference::new(Change::FileChanged, file.told(), other.told()));
            }
            None => found.push(Difference::new(Change::PartDropped, file.told(), "")),
        }
    }
    found.extend(left.iter().map(|file| Difference::new(Change::PartAdded, "", file.told())));
}

/// Whether a part is a file rather than the words of the message.
pub(super) fn is_file(part: &MessagePart<'_>) -> bool {
    match &part.body {
        PartType::Multipart(_) => false,
        PartType::Text(_) | PartType::Html(_) => {
            let is_attachment = part.content_disposition().is_some_and(|kind| kind.is_attachment());
            is_attachment || part.attachment_name().is_some()
        }
        _ => true,
    }
}

fn files(message: &Parsed<'_>) -> Vec<File> {
    message.parts.iter().filter(|part| is_file(part)).map(File::of).collect()
}

impl File {
    fn of(part: &MessagePart<'_>) -> Self {
        let name = part.attachment_name().map(str::to_owned);
        let kind = || part.content_type().map_or("?", |kind| kind.ctype()).to_owned();
        let content = match &part.body {
            PartType::Text(text) | PartType::Html(text) => text.replace("\r\n", "\n").into_bytes(),
            _ => part.contents().to_vec(),
        };
        Self { name: name.unwrap_or_else(kind), content }
    }

    fn told(&self) -> String {
        format!("{} ({} octets)", self.name, self.content.len())
    }
}
