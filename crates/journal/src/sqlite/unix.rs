//! The calls that exist on Unix only: a journal is readable by its owner alone.

use std::io;
use std::path::Path;

/// Creates the file, 0600, if it is not there; an existing one is made 0600.
#[cfg(unix)]
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    // A file that is there is not opened: closing it again would drop the locks that another journal
    // of this process has on it (fcntl(2); sqlite.org/howtocorrupt.html, 2.2).
    match std::fs::OpenOptions::new().create_new(true).append(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let mut permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        std::fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

/// Creates the file if it is not there; access is what the folder gives.
#[cfg(not(unix))]
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    match std::fs::OpenOptions::new().create_new(true).append(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names of the folders above `path` durable: a file that was synced in a folder whose own
/// name was not is lost with it when the power goes (fsync(2): "an explicit fsync() on a file
/// descriptor for the directory is also needed"). SQLite syncs the folder of its files and none above.
///
/// A folder that may not be opened is not one that depeche made: it and those above it stand.
#[cfg(unix)]
pub(crate) fn sync_folders(path: &Path) -> io::Result<()> {
    use io::ErrorKind as Kind;
    let path = path.canonicalize()?;
    for folder in path.ancestors().skip(1) {
        match std::fs::File::open(folder) {
            Ok(folder) => match folder.sync_all() {
                // fsync(2), EROFS and EINVAL: nothing was made there, or it has nothing to sync.
                Err(error) if !matches!(error.kind(), Kind::ReadOnlyFilesystem | Kind::InvalidInput) => {
                    return Err(error);
                }
                _ => {}
            },
            Err(error) if error.kind() == Kind::PermissionDenied => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Folders cannot be synced here.
#[cfg(not(unix))]
pub(crate) fn sync_folders(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The network file system that holds `path`, if it is one (Linux: from the mount table).
///
/// SQLite's locks and WAL do not hold there (sqlite.org/wal.html, "all processes … on the same host").
pub(crate) fn network_file_system(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let path = path.canonicalize().ok()?;
    let kind = mounts.lines().filter_map(mount_of).filter(|(point, _)| path.starts_with(point));
    let (_, kind) = kind.max_by_key(|(point, _)| point.len())?;
    const NETWORK: [&str; 9] =
        ["nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.sshfs"];
    NETWORK.contains(&kind.as_str()).then_some(kind)
}

/// Mount point and file system type of one line of mountinfo (proc(5)).
fn mount_of(line: &str) -> Option<(String, String)> {
    let (before, after) = line.split_once(" - ")?;
    let point = before.split(' ').nth(4)?.replace("\\040", " ");
    Some((point, after.split(' ').next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mount_line_gives_its_point_and_kind() {
        // The example of proc(5), with another type.
        let line = "36 35 98:0 /mnt1 /mnt/two\\040words rw,noatime master:1 - nfs4 server:/x rw";

        assert_eq!(super::mount_of(line), Some(("/mnt/two words".to_owned(), "nfs4".to_owned())));
    }
}
