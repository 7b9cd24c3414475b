//! The outbox: every message a file, nothing sent.
//!
//! One `.eml` per recipient, with the very bytes that another provider would have sent. A file
//! appears whole or not at all: it is written under a temporary name, flushed to the disk, and
//! renamed. Names are legal on every system (Windows forbids `<>:"/\|?*`, a dot or blank at the end,
//! and names such as `CON`) and differ whenever the recipients' keys differ.
//!
//! An outbox sends nothing, so its outcome is [`Outcome::Written`] and never `Accepted`.

mod name;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use depeche_core::message::Mime;
use depeche_core::outcome::{Outcome, Receipt, Refusal, Trouble};
use depeche_core::provider::{Capability, Commit, Login, Parcel, Provider, ProviderName};
use tokio::fs;
use tokio::io::AsyncWriteExt;

pub use name::file_name;

/// Writes each message into a folder.
///
/// A message to the same recipient replaces the file of an earlier one: the outbox shows what would
/// be sent now. An attempt that is dropped leaves no file under its final name.
#[derive(Debug, Clone)]
pub struct OutboxProvider {
    name: ProviderName,
    folder: PathBuf,
}

impl OutboxProvider {
    /// An outbox in `folder`, which is made at the first message.
    #[must_use]
    pub fn new(name: ProviderName, folder: impl Into<PathBuf>) -> Self {
        Self { name, folder: folder.into() }
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    async fn write(&self, parcel: &Parcel) -> Outcome {
        let name = file_name(&parcel.message.to.address.key());
        // Two attempts never share a temporary file: it carries the attempt's own identifier.
        let temporary = self.folder.join(format!(".{}.part", parcel.attempt));
        let target = self.folder.join(&name);
        let written = put(&temporary, &target, &parcel.message.mime).await;
        match written {
            Ok(()) => Outcome::Written(Receipt::new(Some(name), target.display().to_string())),
            Err(error) => {
                // What could not be finished goes; when even that fails, its name says that it is a part.
                let _ = fs::remove_file(&temporary).await;
                Outcome::Refused(self.no_room(&target, &error))
            }
        }
    }

    async fn ready(&self) -> Result<(), Refusal> {
        fs::create_dir_all(&self.folder).await.map_err(|error| self.no_room(&self.folder, &error))
    }

    fn no_room(&self, path: &Path, error: &io::Error) -> Refusal {
        Refusal::provider(Trouble::Fault, format!("{} cannot be written: {error}", path.display()))
    }
}

#[async_trait]
impl Provider for OutboxProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "outbox"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: None,
            inline_images: true,
            attachments: true,
            international_local_part: true,
            batch: 1,
            idempotent_for: None,
            lanes: 1,
            sends: false,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        if let Err(refusal) = self.ready().await {
            return parcels.iter().map(|_| Outcome::Refused(refusal.clone())).collect();
        }
        if let Err(denied) = commit.intent(None).await {
            return parcels.iter().map(|_| Outcome::NotStarted(denied.clone())).collect();
        }
        let mut outcomes = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            outcomes.push(self.write(parcel).await);
            commit.heard();
        }
        outcomes
    }

    async fn login(&self) -> Result<Login, Refusal> {
        self.ready().await?;
        let folder = ("folder".to_owned(), self.folder.display().to_string());
        Ok(Login {
            facts: vec![folder],
            warnings: vec!["an outbox writes files and sends nothing".to_owned()],
            quota: None,
        })
    }
}

/// Writes all of `mime` to `temporary`, makes it durable, and gives it its name.
async fn put(temporary: &Path, target: &Path, mime: &Mime) -> io::Result<()> {
    fill(open(temporary).await?, mime).await?;
    fs::rename(temporary, target).await
}

async fn fill(mut file: fs::File, mime: &Mime) -> io::Result<()> {
    for segment in &mime.segments {
        file.write_all(segment).await?;
    }
    file.flush().await?;
    // A full disk may show only here.
    file.sync_all().await
}

/// A new file that all may read (0644) whatever the umask of a cron job.
async fn open(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path).await?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o644)).await?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux answers every write to `/dev/full` as a full disk does.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_seen_before_the_file_gets_its_name() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        let mime = Mime { segments: vec![bytes::Bytes::from_static(b"a\r\n")], is_8bit: false };

        let error = fill(full, &mime).await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
