//! `[journal]`: a file, or a PostgreSQL server that several workers share.

use std::path::PathBuf;
use std::time::Duration;

use super::mirror::{self, MirrorConfig};
use super::reader::{Found, Reader, Section};
use super::secret::SecretSource;
use crate::words::say;

/// Where the journal is.
#[derive(Debug)]
pub(crate) enum JournalPlace {
    /// A file, relative to depeche.toml.
    File(PathBuf),
    /// A server.
    Server(Server),
}

/// A PostgreSQL server.
#[derive(Debug)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "this build keeps files only"))]
pub(crate) struct Server {
    /// Without a password.
    pub(crate) url: String,
    pub(crate) password: Option<SecretSource>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) lease: Option<Duration>,
}

/// Where the journal is when nothing is said.
const DEFAULT: &str = ".depeche/journal.db";
/// Shorter leases would lapse while a worker only waits for its turn.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);

/// The place, the folder of what stands beside it, and its mirror.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    root: &mut Section<'a>,
) -> (JournalPlace, Option<PathBuf>, Option<MirrorConfig>) {
    let default = JournalPlace::File(PathBuf::from(DEFAULT));
    let Some(mut section) = reader.section(root, "journal") else { return (default, None, None) };
    let url = reader.text(&mut section, "url");
    let password = reader.secret(&mut section, "password").map(|found| found.value);
    let ca_file = reader.text(&mut section, "ca_file").map(|found| PathBuf::from(found.value));
    let lease = reader.text(&mut section, "lease");
    let lease = lease.and_then(|found| {
        let lease = reader.duration_of(&found)?;
        if lease < SHORTEST_LEASE {
            let message = say!(reader, "config-lease");
            reader.problem("config.value", message, None, found.span);
        }
        Some(lease)
    });
    let state_dir = reader.text(&mut section, "state_dir");
    let mirror_span = section.span.clone();
    let mirror = reader.section(&mut section, "mirror").and_then(|section| mirror::read(reader, section));
    reader.finish(section);
    let is_file = url.as_ref().is_none_or(|url| !url.value.starts_with("postgres"));
    if !is_file && (state_dir.is_some() || mirror.is_some()) {
        reader.problem("config.mirror", say!(reader, "config-mirror-server"), None, mirror_span);
    }
    let state_dir = state_dir.map(|found| PathBuf::from(found.value));
    (read_place(reader, url, Server { url: String::new(), password, ca_file, lease }), state_dir, mirror)
}

fn read_place(reader: &mut Reader<'_>, url: Option<Found<String>>, server: Server) -> JournalPlace {
    let default = JournalPlace::File(PathBuf::from(DEFAULT));
    let Some(url) = url else { return default };
    if let Some(path) = url.value.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        && !path.is_empty()
    {
        return JournalPlace::File(PathBuf::from(path));
    }
    let is_server = url.value.starts_with("postgres://") || url.value.starts_with("postgresql://");
    if is_server && has_password(&url.value) {
        let message = say!(reader, "config-journal-password", url = without_password(&url.value));
        reader.problem("config.journal", message, None, url.span);
    } else if is_server && cfg!(feature = "postgres") {
        return JournalPlace::Server(Server { url: url.value, ..server });
    } else {
        let message = say!(reader, "config-journal", url = without_password(&url.value));
        reader.problem("config.journal", message, None, url.span);
    }
    default
}

fn has_password(url: &str) -> bool {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (before, query) = bare.split_once('?').unwrap_or((bare, ""));
    let user = before.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || query.split('&').any(|pair| pair.starts_with("password="))
}

/// A URL as it may be shown.
fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}
