//! A folder as a second place: another disk, a share of another machine.
//!
//! The bytes are synced in a file of their own, which is then given its name by `link`, which fails when
//! the name is taken (link(2)); then the folder is synced. So a name is either not there or whole. On a
//! file system without hard links the file is made under its name at once, and a name that is there but
//! not whole is taken for free space by nobody: it cannot be opened, and says so.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::journal::mirror::{Created, MirrorTarget, TargetFailed};

/// A folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`. It must be there when something is written: a mount that is missing must
    /// not be taken for an empty mirror.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, TargetFailed> {
        let (folder, name, shown) = (self.0.clone(), name.to_owned(), self.shown());
        let done = tokio::task::spawn_blocking(move || work(&folder, &name)).await;
        let failed = |reason: String| TargetFailed::new(format!("{shown}: {reason}"));
        done.map_err(|lost| failed(lost.to_string()))?.map_err(|error| failed(error.to_string()))
    }
}

#[async_trait]
impl MirrorTarget for Folder {
    async fn create(&self, name: &str, bytes: Bytes) -> Result<Created, TargetFailed> {
        self.blocking(name, move |folder, name| create(folder, name, &bytes)).await
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, TargetFailed> {
        self.blocking(name, |folder, name| {
            // A folder that is missing is no empty mirror.
            std::fs::metadata(folder)?;
            match std::fs::read(folder.join(name)) {
                Ok(bytes) => Ok(Some(Bytes::from(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    fn shown(&self) -> String {
        format!("file:{}", self.0.display())
    }
}

fn create(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<Created> {
    std::fs::metadata(folder)?;
    let path = folder.join(name);
    let within = path.parent().unwrap_or(folder);
    if !within.exists() {
        std::fs::create_dir_all(within)?;
        sync_folder(folder)?;
    }
    if path.exists() {
        return Ok(Created::Exists);
    }
    let mut draft = path.clone().into_os_string();
    draft.push(format!(".{}.draft", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = std::fs::remove_file(&draft);
    write_new(&draft, bytes)?;
    let linked = std::fs::hard_link(&draft, &path);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Created::Exists),
        // No hard links here (FAT, some shares).
        Err(_) => match write_new(&path, bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Created::Exists),
            written => written?,
        },
    }
    sync_folder(within)?;
    Ok(Created::New)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes the names in a folder durable (fsync(2)).
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // EINVAL: this file system has nothing to sync in a folder.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
