//! `[journal.mirror]`: the second place of a journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use depeche::clock::{Clock, Entropy};
use depeche::journal::mirror::MirrorTarget;
use depeche::mirror::{Folder, Log, Mode, S3, S3Config, Seal};
use depeche::secret::Secret;

use super::reader::{Reader, Section};
use super::secret::SecretSource;
use crate::failure::Failure;
use crate::words::say;

/// `[journal.mirror]`.
#[derive(Debug)]
pub(crate) struct MirrorConfig {
    target: Target,
    /// How an intent and the wire stand to each other.
    pub(crate) mode: Mode,
    key: SecretSource,
}

#[derive(Debug)]
enum Target {
    Folder(PathBuf),
    S3 {
        bucket: String,
        prefix: String,
        endpoint: String,
        region: String,
        access: SecretSource,
        secret: SecretSource,
    },
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> Option<MirrorConfig> {
    let target = reader.needed(&mut section, "target");
    let modes = [("sync", Mode::Sync), ("async", Mode::Async)];
    let mode = reader.word(&mut section, "mode", &modes).unwrap_or(Mode::Sync);
    let key = needed_secret(reader, &mut section, "key");
    let target = match target.as_ref().map(|found| found.value.as_str()) {
        Some(text) if text.starts_with("s3://") => read_s3(reader, &mut section, text),
        Some(text) if text.len() > 5 && text.starts_with("file:") => {
            Some(Target::Folder(PathBuf::from(&text[5..])))
        }
        Some(text) => {
            let (message, hint) =
                (say!(reader, "config-mirror", text = text), say!(reader, "config-mirror-hint"));
            let span = target.as_ref().map_or(0..0, |found| found.span.clone());
            reader.problem("config.mirror", message, Some(hint), span);
            None
        }
        None => None,
    };
    reader.finish(section);
    Some(MirrorConfig { target: target?, mode, key: key? })
}

fn read_s3<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, text: &str) -> Option<Target> {
    let place = text.trim_start_matches("s3://").trim_end_matches('/');
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let endpoint = reader.needed(section, "endpoint");
    let region = reader.needed(section, "region");
    let access = needed_secret(reader, section, "access_key");
    let secret = needed_secret(reader, section, "secret_key");
    Some(Target::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: endpoint?.value,
        region: region?.value,
        access: access?,
        secret: secret?,
    })
}

fn needed_secret<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    key: &'static str,
) -> Option<SecretSource> {
    if !section.has(key) {
        let message = say!(reader, "config-missing", key = format!("{}.{key}", section.path));
        reader.problem("config.missing", message, None, section.span.clone());
    }
    reader.secret(section, key).map(|found| found.value)
}

impl MirrorConfig {
    /// How the place is shown, without keys.
    pub(crate) fn shown(&self) -> String {
        match &self.target {
            Target::Folder(path) => format!("file:{}", path.display()),
            Target::S3 { bucket, prefix, endpoint, .. } => format!("s3://{bucket}/{prefix} at {endpoint}"),
        }
    }

    /// `sync` or `async`.
    pub(crate) fn mode_word(&self) -> &'static str {
        match self.mode {
            Mode::Sync => "sync",
            Mode::Async => "async",
        }
    }

    /// Where the key is, never what.
    pub(crate) fn key_shown(&self) -> String {
        self.key.shown()
    }

    /// The mirror's log, of which nothing was read yet. Here its secrets are read.
    pub(crate) fn log(
        &self,
        base: &Path,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Log, Failure> {
        let unusable = |error: &dyn std::fmt::Display| Failure::usage("mirror.unusable", error);
        let seal = Seal::new(&secret(&self.key, base)?).map_err(|error| unusable(&error))?;
        let target: Arc<dyn MirrorTarget> = match &self.target {
            Target::Folder(path) => Arc::new(Folder::new(base.join(path))),
            Target::S3 { bucket, prefix, endpoint, region, access, secret: secret_key } => {
                let config = S3Config {
                    endpoint: endpoint.clone(),
                    region: region.clone(),
                    bucket: bucket.clone(),
                    prefix: prefix.clone(),
                    access_key: secret(access, base)?,
                    secret_key: secret(secret_key, base)?,
                };
                Arc::new(S3::new(&config, Arc::clone(clock)).map_err(|error| unusable(&error))?)
            }
        };
        Ok(Log::new(target, seal, Arc::clone(clock), Arc::clone(entropy)))
    }
}

fn secret(source: &SecretSource, base: &Path) -> Result<Secret, Failure> {
    source.read(base).map_err(|error| {
        let mut failure = Failure::usage("mirror.secret", format!("[journal] mirror: {error}"));
        failure.hint = error.hint();
        failure
    })
}
