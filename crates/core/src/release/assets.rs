//! The files of a release: attachments and photos, from the release's own folder and nowhere else.

use std::path::{Component, Path};

use base64::Engine as _;
use bytes::Bytes;

use super::{Release, ReleaseProblem};
use crate::message::Attachment;
use crate::text::HeaderText;

/// All attachments together, in octets. Receivers refuse messages from 20 MB on, base64 adds a third.
pub const MAX_ATTACHMENTS_BYTES: u64 = 10_000_000;
/// One image inside the message, in octets.
pub const MAX_IMAGE_BYTES: u64 = 2_000_000;

/// The files of a release, read.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    pub(super) attachments: Vec<(String, Bytes)>,
    pub(super) images: Vec<(String, Bytes)>,
}

impl Assets {
    /// No files.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the files that a release names, relative to its folder.
    ///
    /// # Errors
    ///
    /// Every file that is missing, too large, of an unknown type, or outside the folder.
    pub fn load(release: &Release, folder: &Path) -> Result<Self, Vec<ReleaseProblem>> {
        let (mut assets, mut problems) = (Self::default(), Vec::new());
        let images: Vec<&str> = release.head.images.iter().map(|image| image.file.as_str()).collect();
        for name in &images {
            match read(folder, name, MAX_IMAGE_BYTES).map_err(|p| p.at(release.line_of(name))) {
                Ok(content) => assets.images.push(((*name).to_owned(), content)),
                Err(problem) => problems.push(problem),
            }
        }
        for name in &release.head.attachments {
            match read(folder, name, MAX_ATTACHMENTS_BYTES).map_err(|p| p.at(release.line_of(name))) {
                Ok(content) => assets.attachments.push((name.clone(), content)),
                Err(problem) => problems.push(problem),
            }
        }
        let total: u64 = assets.attachments.iter().map(|(_, content)| content.len() as u64).sum();
        if total > MAX_ATTACHMENTS_BYTES {
            let message =
                format!("the attachments have {total} octets together; {MAX_ATTACHMENTS_BYTES} is the limit");
            problems.push(
                ReleaseProblem::new("attachments-too-large", 1, 1, message)
                    .with_hint("put the files on your press site and link to them"),
            );
        }
        if problems.is_empty() { Ok(assets) } else { Err(problems) }
    }

    /// Every file, for the journal.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Bytes)> {
        self.images.iter().chain(&self.attachments).cloned().collect()
    }
}

fn read(folder: &Path, name: &str, limit: u64) -> Result<Bytes, ReleaseProblem> {
    let problem = |code, message: String| ReleaseProblem::new(code, 1, 1, message);
    let path = Path::new(name);
    if name.is_empty()
        || !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err(problem("asset-outside", format!("`{name}` is outside the release's folder"))
            .with_hint("copy the file beside the release"));
    }
    if media_type(name).is_none() {
        return Err(problem("asset-type", format!("`{name}` is of a type that receivers refuse"))
            .with_hint("use pdf, docx, odt, txt, jpg, png, gif, webp, zip, mp3 or mp4"));
    }
    let missing =
        |error: std::io::Error| problem("asset-missing", format!("`{name}` cannot be read: {error}"));
    let whole = folder.join(path).canonicalize().map_err(missing)?;
    let inside = folder.canonicalize().map_err(missing)?;
    if !whole.starts_with(&inside) {
        return Err(problem("asset-outside", format!("`{name}` leads outside the release's folder")));
    }
    let size = whole.metadata().map_err(missing)?.len();
    if size > limit {
        let message = format!("`{name}` has {size} octets; {limit} is the limit");
        return Err(problem("attachments-too-large", message).with_hint("link to the file instead"));
    }
    std::fs::read(&whole).map(Bytes::from).map_err(missing)
}

/// The media type of a file name; `None` for types that receivers refuse.
pub(super) fn media_type(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "pdf" => "application/pdf",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "odt" => "application/vnd.oasis.opendocument.text",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "zip" => "application/zip",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ => return None,
    })
}

/// An attachment, encoded once.
pub(super) fn attachment(path: &str, content: &Bytes) -> Option<Attachment> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let encoded = base64::engine::general_purpose::STANDARD.encode(content);
    let mut lines = Vec::with_capacity(encoded.len() + encoded.len() / 38);
    for line in encoded.as_bytes().chunks(76) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    Some(Attachment {
        name: HeaderText::new(name).ok()?,
        media_type: media_type(name)?.to_owned(),
        content: content.clone(),
        encoded: Bytes::from(lines),
    })
}
