//! Where a secret is, and how it is read: late, once, and never shown.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest;
use depeche::secret::Secret;

use crate::unix::open_mode;

/// Where a secret is.
#[derive(Clone)]
pub(crate) enum SecretSource {
    /// In an environment variable.
    Env(String),
    /// In a file, relative to depeche.toml.
    File(PathBuf),
    /// What a command prints.
    Command(String),
    /// In depeche.toml itself.
    Plain(Secret, [u8; 32]),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    #[error("{path} cannot be read: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{path} can be read by others (mode {mode:o})")]
    Open { path: PathBuf, mode: u32 },
    #[error("`{command}` failed: {reason}")]
    Command { command: String, reason: String },
    #[error("{0} is empty")]
    Empty(String),
}

impl SecretSource {
    /// Plain text.
    pub(super) fn plain(text: String) -> Self {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        Self::Plain(text.into(), bytes)
    }

    /// How it is shown: where it is, never what.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Env(name) => format!("env {name}"),
            Self::File(path) => format!("file {}", path.display()),
            Self::Command(command) => format!("command {command}"),
            Self::Plain(..) => "********".to_owned(),
        }
    }

    /// Whether reading it runs a program, which may ask a person for a passphrase.
    pub(crate) fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    /// Reads it. `base` is depeche.toml's folder.
    pub(crate) fn read(&self, base: &Path) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Plain(secret, _) => return Ok(secret.clone()),
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?,
            Self::File(path) => read_file(&base.join(path))?,
            Self::Command(command) => run(command, base)?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { Err(SecretError::Empty(self.shown())) } else { Ok(text.to_owned().into()) }
    }
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The digest takes part in the provider's own digest; the secret does not.
            Self::Plain(_, digest) => f.debug_tuple("Plain").field(digest).finish(),
            other => f.write_str(&other.shown()),
        }
    }
}

impl SecretError {
    /// What the user can do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, .. } => Some(format!("chmod 600 {}", path.display())),
            _ => None,
        }
    }
}

fn read_file(path: &Path) -> Result<String, SecretError> {
    if let Some(mode) = open_mode(path) {
        return Err(SecretError::Open { path: path.to_owned(), mode });
    }
    std::fs::read_to_string(path)
        .map_err(|error| SecretError::File { path: path.to_owned(), reason: error.to_string() })
}

fn run(command: &str, base: &Path) -> Result<String, SecretError> {
    let failed = |reason: String| SecretError::Command { command: command.to_owned(), reason };
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command).current_dir(base);
    let output = shell
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("it printed something that is no text".to_owned()))
}
