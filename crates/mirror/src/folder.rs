//! A folder as a second place: another disk, a share of another machine.
//!
//! The bytes are synced in a file of their own, which is then given its name by `link`, which fails when
//! the name is taken (link(2)); then the folder is synced. So a name is either not there or whole. On a
//! file system without hard links the file is made under its name at once, and a name that is there but
//! not whole is taken for free space by nobody: it cannot be opened, and says so. A name is replaced by
//! `rename`, so that it is never free.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::journal::mirror::{Created, MirrorTarget, TargetFailed};

/// A folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// What processes that died left of their drafts was looked for.
    is_swept: Arc<AtomicBool>,
}

/// A draft older than that is nobody's any more: a write ends within seconds.
const DRAFT_LIVES: Duration = Duration::from_secs(60);

impl Folder {
    /// The folder at `path`. It must be there when something is written: a mount that is missing must
    /// not be taken for an empty mirror.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, is_swept: Arc::default() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, TargetFailed> {
        let (folder, name, shown) = (self.path.clone(), name.to_owned(), self.shown());
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

    async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), TargetFailed> {
        let sweeps = !self.is_swept.swap(true, Ordering::Relaxed);
        self.blocking(name, move |folder, name| replace(folder, name, &bytes, sweeps)).await
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
        format!("file:{}", self.path.display())
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
    let draft = draft_of(&path);
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

/// By `rename`, which replaces in one step (rename(2)). With `sweeps`, what is left of drafts goes as well.
fn replace(folder: &Path, name: &str, bytes: &[u8], sweeps: bool) -> io::Result<()> {
    let path = folder.join(name);
    // A name that is not there is not replaced: the folder is another one.
    std::fs::metadata(&path)?;
    let draft = draft_of(&path);
    write_new(&draft, bytes)?;
    if let Err(error) = std::fs::rename(&draft, &path) {
        let _ = std::fs::remove_file(&draft);
        return Err(error);
    }
    let within = path.parent().unwrap_or(folder);
    if sweeps {
        sweep(within, std::fs::metadata(&path)?.modified()?)?;
    }
    sync_folder(within)
}

/// Removes what processes left that died while they wrote: drafts of names that are there (whoever still writes one
/// is told that the name is taken), and old ones, by the folder's own clock.
fn sweep(within: &Path, now: SystemTime) -> io::Result<()> {
    for entry in std::fs::read_dir(within)? {
        let draft = entry?.path();
        if draft.extension().is_none_or(|extension| extension != "draft") {
            continue;
        }
        let name = draft.with_extension("").with_extension("");
        let age = |written| now.duration_since(written).unwrap_or_default();
        let is_old = || std::fs::metadata(&draft)?.modified().map(|written| age(written) > DRAFT_LIVES);
        if name.exists() || is_old().unwrap_or_default() {
            match std::fs::remove_file(&draft) {
                // It was somebody's after all, and has its name by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

/// Where bytes are written before they have their name; what a process that died left there is removed.
fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.to_path_buf().into_os_string();
    draft.push(format!(".{}.draft", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = std::fs::remove_file(&draft);
    draft
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_replaced_only_where_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::new(folder.path().to_owned());
        assert!(place.replace("log/1", Bytes::from_static(b"b")).await.is_err());
        assert_eq!(place.create("log/1", Bytes::from_static(b"a")).await.unwrap(), Created::New);
        place.replace("log/1", Bytes::from_static(b"b")).await.unwrap();

        assert_eq!(place.read("log/1").await.unwrap().unwrap(), "b");
        assert_eq!(place.create("log/1", Bytes::from_static(b"c")).await.unwrap(), Created::Exists);
        assert_eq!(std::fs::read_dir(folder.path().join("log")).unwrap().count(), 1, "no draft is left");
    }

    /// A process that dies between a draft and its name leaves the draft, with whatever address is in it.
    #[tokio::test]
    async fn what_dead_processes_left_of_their_drafts_goes_with_the_first_replacement() {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::new(folder.path().to_owned());
        place.create("log/1", Bytes::from_static(b"a")).await.unwrap();
        let drafts =
            ["1.77.draft", "2.77.draft", "2.78.draft"].map(|name| folder.path().join("log").join(name));
        for (draft, age) in drafts.iter().zip([0, 61, 0]) {
            let file = File::create(draft).unwrap();
            let now = std::fs::metadata(draft).unwrap().modified().unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }

        place.replace("log/1", Bytes::from_static(b"b")).await.unwrap();

        assert!(!drafts[0].exists(), "its name is taken");
        assert!(!drafts[1].exists(), "nobody writes it any more");
        assert!(drafts[2].exists(), "somebody may be writing it");
    }
}
