//! `[bounces]`: the mailbox that bounces and answers come back to.

use std::path::PathBuf;
use std::time::Duration;

use depeche::mailbox::imap::ImapConfig;

use super::provider::guarded;
use super::reader::{Reader, Section};
use super::secret::SecretSource;
use super::{Config, FileMode};
use crate::failure::Failure;
use crate::words::say;

/// `[bounces] imap = { … }`.
#[derive(Debug, Clone)]
pub(crate) struct Bounces {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) username: String,
    pub(crate) password: SecretSource,
    pub(crate) folder: String,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) limit: Duration,
}

/// How long connecting and each command may take when nothing is stated.
const LIMIT: Duration = Duration::from_secs(60);

/// Reads `[bounces]`.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    root: &mut Section<'a>,
    file: FileMode<'_>,
) -> Option<Bounces> {
    let mut section = reader.section(root, "bounces")?;
    if !section.has("imap") {
        let message = say!(reader, "config-missing", key = "bounces.imap");
        reader.problem("config.missing", message, None, section.span.clone());
    }
    let imap = reader.section(&mut section, "imap").and_then(|imap| read_imap(reader, imap, file));
    reader.finish(section);
    imap
}

fn read_imap<'a>(reader: &mut Reader<'a>, mut stated: Section<'a>, file: FileMode<'_>) -> Option<Bounces> {
    let host = reader.needed(&mut stated, "host").map(|found| found.value);
    let tls = reader.word(&mut stated, "tls", &[("implicit", true), ("none", false)]).unwrap_or(true);
    let port = reader.port(&mut stated);
    let username = reader.needed(&mut stated, "username").map(|found| found.value);
    if !stated.has("password") {
        let message = say!(reader, "config-missing", key = format!("{}.password", stated.path));
        reader.problem("config.missing", message, None, stated.span.clone());
    }
    let password = reader.secret(&mut stated, "password");
    let password = guarded(reader, password, file);
    let folder = reader.text(&mut stated, "folder").map_or_else(|| "INBOX".to_owned(), |found| found.value);
    let ca_file = reader.text(&mut stated, "ca_file").map(|found| PathBuf::from(found.value));
    let limit = reader.duration(&mut stated, "timeout").unwrap_or(LIMIT);
    reader.finish(stated);
    Some(Bounces {
        host: host?,
        port: port.unwrap_or(if tls { 993 } else { 143 }),
        tls,
        username: username?,
        password: password?,
        folder,
        ca_file,
        limit,
    })
}

impl Bounces {
    /// What the mailbox is opened with. Here the password is read.
    pub(crate) fn imap(&self, config: &Config) -> Result<ImapConfig, Failure> {
        let base = config.base();
        let password = self.password.read(&base).map_err(|error| {
            let mut failure = Failure::usage("bounces.secret", format!("bounces: {error}"));
            failure.hint = error.hint();
            failure
        })?;
        Ok(ImapConfig {
            host: self.host.clone(),
            port: self.port,
            tls: self.tls,
            username: self.username.clone(),
            password,
            folder: self.folder.clone(),
            ca_file: self.ca_file.as_ref().map(|file| base.join(file)),
            limit: self.limit,
        })
    }
}
