//! The journal, opened; its errors as failures.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use depeche::journal::{FreezeError, HoldError, Journal, JournalError, RunId, RunRecord};
use depeche::sqlite::SqliteJournal;
#[cfg(feature = "postgres")]
use depeche::sqlite::{PostgresConfig, PostgresJournal};

use crate::config::{Config, JournalPlace, Server};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words::say;

/// The journal of depeche.toml, made when it is not there.
pub(crate) async fn open(config: &Config, context: &Context<'_>) -> Result<Arc<dyn Journal>, Failure> {
    let path = match &config.journal {
        JournalPlace::File(path) => config.base().join(path),
        JournalPlace::Server(server) => return open_server(server, config, context).await,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| no_folder(folder, &error, context))?;
    }
    let opened = SqliteJournal::open(&path).await;
    Ok(Arc::new(opened.map_err(|error| not_opened(error, context))?))
}

fn no_folder(folder: &Path, error: &std::io::Error, context: &Context<'_>) -> Failure {
    let is_file = matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory);
    let hint = match is_file {
        true => say!(context.out, "journal-folder-taken"),
        false => say!(context.out, "journal-folder-closed"),
    };
    Failure::file(folder, error).with_hint(hint)
}

/// With what to do about it, where the words of SQLite (`sqlite3_errstr`) or of the system tell.
fn not_opened(error: JournalError, context: &Context<'_>) -> Failure {
    const BROKEN: [&str; 2] = ["file is not a database", "database disk image is malformed"];
    const CLOSED: [&str; 4] = [
        "unable to open database file",
        "attempt to write a readonly database",
        "Permission denied",
        "Read-only file system",
    ];
    const FULL: [&str; 2] = ["database or disk is full", "No space left on device"];
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let hint = match () {
        () if says(&BROKEN) => say!(context.out, "journal-broken"),
        () if says(&CLOSED) => say!(context.out, "journal-folder-closed"),
        () if says(&FULL) => say!(context.out, "journal-full"),
        () => return error.into(),
    };
    Failure::from(error).with_hint(hint)
}

/// The journal on a server; from here on its clock counts.
#[cfg(feature = "postgres")]
async fn open_server(
    server: &Server,
    config: &Config,
    context: &Context<'_>,
) -> Result<Arc<dyn Journal>, Failure> {
    let base = config.base();
    let mut place = PostgresConfig::new(&server.url);
    if let Some(source) = &server.password {
        let read = source.read(&base).map_err(|error| {
            let mut failure = Failure::usage("journal.secret", &error);
            failure.hint = error.hint();
            failure
        })?;
        place.password = Some(read);
    }
    place.ca_file = server.ca_file.as_ref().map(|file| base.join(file));
    place.lease = server.lease.unwrap_or(place.lease);
    let journal = PostgresJournal::open(&place).await?;
    context.follow(journal.clock());
    Ok(Arc::new(journal))
}

/// This build has no server.
#[cfg(not(feature = "postgres"))]
async fn open_server(_: &Server, _: &Config, _: &Context<'_>) -> Result<Arc<dyn Journal>, Failure> {
    unreachable!("the configuration refuses it")
}

/// A journal that lasts as long as the process.
pub(crate) async fn in_memory() -> Result<Arc<dyn Journal>, Failure> {
    Ok(Arc::new(SqliteJournal::in_memory().await?))
}

/// The run of that name.
pub(crate) async fn run_named(
    journal: &dyn Journal,
    name: &str,
    context: &Context<'_>,
) -> Result<RunRecord, Failure> {
    let missing = || Failure::usage("run.none", say!(context.out, "run-none", run = name));
    let id = RunId::new(name).map_err(|_| missing())?;
    let hint = say!(context.out, "run-none-hint");
    journal.run(&id).await?.ok_or_else(|| missing().with_hint(hint))
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::new(Exit::Problems, "journal", error)
    }
}

impl From<HoldError> for Failure {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Held { .. } => Self::guard("run.held", error),
            HoldError::Journal(error) => error.into(),
            other => Self::guard("run.held", other),
        }
    }
}

impl From<FreezeError> for Failure {
    fn from(error: FreezeError) -> Self {
        match error {
            FreezeError::Journal(error) => error.into(),
            FreezeError::ListBroken { .. } => Self::new(Exit::Problems, "list.broken", error),
            FreezeError::SlugUsed { .. } => {
                Self::guard("run.slug-used", error).with_hint("--again, when that is meant")
            }
            FreezeError::CountChanged { .. } => Self::guard("confirm.changed", error),
            FreezeError::NobodyLeft { .. } | FreezeError::Taken(_) => Self::guard("run.duplicate", error),
            other => Self::guard("run.refused", other),
        }
    }
}
