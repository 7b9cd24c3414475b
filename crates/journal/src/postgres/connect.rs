//! How the database is reached, and whether it keeps what it confirms.

use std::net::IpAddr;
use std::time::Duration;

use depeche_core::secret::ExposeSecret;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};

use super::PostgresConfig;
use super::words::why_unreached;
use crate::describe;

/// So many connections read, claim and keep leases, beside the one that writes.
const READERS: u32 = 8;
/// What the trigger on `run` notifies.
const CHANNEL: &str = "depeche";
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// insufficient_privilege (PostgreSQL's documentation, appendix A).
const NOT_ALLOWED: &str = "42501";
/// pg_current_xact_id and pg_xact_status came with PostgreSQL 13 (its release notes, E.23.3.6).
const OLDEST: i32 = 130_000;

/// The URL as it may be shown.
pub(crate) fn shown(url: &str) -> String {
    let bare = url.split('?').next().unwrap_or_default();
    match (bare.split_once("://"), bare.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => bare.to_owned(),
    }
}

pub(crate) fn options(config: &PostgresConfig) -> Result<PgConnectOptions, String> {
    let options: PgConnectOptions = config.url.parse().map_err(|_| "this is no PostgreSQL URL".to_owned())?;
    let mode = ssl_mode(&config.url, is_this_machine(&options))?;
    let mut options = options.ssl_mode(mode).application_name("depeche").disable_statement_logging();
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    }
    if let Some(file) = &config.ca_file {
        // The driver would only say that it found no file, not which.
        std::fs::File::open(file)
            .map_err(|error| format!("the CA file {} cannot be read: {error}", file.display()))?;
        options = options.ssl_root_cert(file);
    }
    Ok(options.options([
        // A worker that is stopped in the middle of a transaction must not stop the others.
        ("idle_in_transaction_session_timeout", "10s"),
        ("lock_timeout", "20s"),
        ("tcp_keepalives_idle", "15"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ]))
}

fn is_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Nothing less than a checked certificate and name on the way to another machine.
fn ssl_mode(url: &str, is_this_machine: bool) -> Result<PgSslMode, String> {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let asked = pairs.rfind(|(name, _)| matches!(*name, "sslmode" | "ssl-mode")).map(|(_, mode)| mode);
    match asked {
        None if is_this_machine => Ok(PgSslMode::Prefer),
        None | Some("verify-full") => Ok(PgSslMode::VerifyFull),
        Some(mode) if is_this_machine => mode.parse().map_err(|_| format!("`{mode}` is no sslmode")),
        Some(mode) => Err(format!(
            "sslmode={mode} would send to another machine what anyone may read or answer; leave it out \
             (verify-full), and name a private authority with sslrootcert=FILE"
        )),
    }
}

/// Connections that read; tables and server are looked at first.
pub(crate) async fn pool(options: &PgConnectOptions) -> Result<PgPool, String> {
    let pool = PgPoolOptions::new().max_connections(READERS).acquire_timeout(CONNECT);
    let pool = match pool.connect_with(options.clone()).await {
        Ok(pool) => pool,
        Err(error) => return Err(reason(&error, options).await),
    };
    let mut connection = pool.acquire().await.map_err(|error| describe(&error))?;
    let doubt = doubt(&mut connection).await.map_err(|error| describe(&error))?;
    if let Some(doubt) = doubt {
        return Err(doubt);
    }
    drop(connection);
    migrate(&pool).await?;
    Ok(pool)
}

/// Brings the tables up to date. Where they are, that is read and nothing is made: a worker's role needs no
/// right to create anything, which the driver's migrations ask for each time.
async fn migrate(pool: &PgPool) -> Result<(), String> {
    let migrations = sqlx::migrate!("./migrations/postgres");
    if are_up_to_date(pool, &migrations).await.unwrap_or(false) {
        return Ok(());
    }
    // Several workers may come at once: the migrations take a lock of their own.
    migrations.run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            format!("it was written by a newer depeche (its tables are at version {version}); update depeche")
        }
        MigrateError::Execute(sqlx::Error::Database(error))
        | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _)
            if error.code().as_deref() == Some(NOT_ALLOWED) =>
        {
            "this role may not make or change the tables; let the role that owns them open the journal once \
             (`depeche runs`)"
                .to_owned()
        }
        other => other.to_string(),
    })
}

/// Whether exactly the known migrations were made, all of them to their end.
async fn are_up_to_date(pool: &PgPool, migrations: &Migrator) -> Result<bool, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let made: Vec<(i64, Vec<u8>, bool)> =
        sqlx::query_as("SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&mut *connection)
            .await?;
    let known = migrations.iter().map(|one| (one.version, one.checksum.to_vec(), true));
    Ok(known.eq(made))
}

/// A pool that waited in vain does not say for what: one connection more does.
async fn reason(error: &sqlx::Error, options: &PgConnectOptions) -> String {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return why_unreached(error);
    }
    match tokio::time::timeout(CONNECT, options.connect()).await {
        Ok(Err(error)) => why_unreached(&error),
        Ok(Ok(_)) | Err(_) => "the server does not answer in time".to_owned(),
    }
}

/// Hears of every run that changes its state.
pub(crate) async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Why the server might lose what it confirmed, or cannot be a journal at all.
async fn doubt(c: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let (version, fsync, commit, encoding, is_standby): (i32, String, String, String, bool) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::INT, current_setting('fsync'),
         current_setting('synchronous_commit'), current_setting('server_encoding'), pg_is_in_recovery()",
    )
    .fetch_one(c)
    .await?;
    Ok(if version < OLDEST {
        Some("it is older than PostgreSQL 13".to_owned())
    } else if is_standby {
        Some("it is a standby, which only reads; name the primary".to_owned())
    } else if fsync != "on" {
        Some("fsync is off: what it confirms may be lost, and a journalist mailed twice".to_owned())
    } else if commit == "off" {
        Some(
            "synchronous_commit is off: what it confirms may be lost, and a journalist mailed twice"
                .to_owned(),
        )
    } else if encoding != "UTF8" {
        Some(format!("its encoding is {encoding}; make the database with ENCODING 'UTF8'"))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(url: &str) -> Result<String, String> {
        let config = PostgresConfig::new(url);
        options(&config).map(|options| format!("{:?}", options.get_ssl_mode()))
    }

    #[test]
    fn another_machine_is_reached_with_a_checked_certificate_or_not_at_all() {
        assert_eq!(mode_of("postgres://depeche@db.exemple.fr/depeche"), Ok("VerifyFull".to_owned()));
        let private = "postgres://depeche@db.exemple.fr/depeche?sslmode=verify-full&sslrootcert=ca.pem";
        assert_eq!(mode_of(private), Ok("VerifyFull".to_owned()));
        for less in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let url = format!("postgres://depeche@192.0.2.7:5433/depeche?sslmode={less}");
            assert!(mode_of(&url).is_err(), "{less}");
        }
        assert!(mode_of("postgres://u@db.exemple.fr/d?sslmode=verify-full&sslmode=disable").is_err());
        assert!(mode_of("postgres://u@db.exemple.fr/d?sslmode=%64isable").is_err(), "by any writing");
        assert!(mode_of("postgres://u@localhost/d?host=db.exemple.fr&sslmode=disable").is_err());
    }

    #[test]
    fn this_machine_may_be_spoken_to_in_clear_text() {
        for url in [
            "postgres://u@127.0.0.1/d",
            "postgres://u@[::1]/d",
            "postgres://u@localhost/d",
            "postgres:///d?host=/var/run/postgresql",
        ] {
            assert_eq!(mode_of(url), Ok("Prefer".to_owned()), "{url}");
        }
        assert_eq!(mode_of("postgres://u@127.0.0.1/d?sslmode=disable"), Ok("Disable".to_owned()));
    }

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let url = "postgres://depeche:tr@p:x@db.exemple.fr:5433/depeche?password=geheim";
        assert_eq!(shown(url), "postgres://…@db.exemple.fr:5433/depeche");
        assert_eq!(shown("postgres://db/depeche"), "postgres://db/depeche");
    }
}
