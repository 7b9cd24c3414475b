//! `domain key`: a DKIM key for a relay that does not sign, and the record to publish for it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use depeche::domain::dkim::{NewKey, make_key, record_of};
use depeche::domain::{name, suggest};
use serde_json::json;

use crate::args::{Algorithm, DomainKey};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;

/// A key that was made: the private half is in a file that only its owner reads.
pub(crate) struct Made {
    /// Where the private half is.
    pub(crate) file: PathBuf,
    /// The name of the record.
    pub(crate) name: String,
    /// The record's text.
    pub(crate) record: String,
    /// The line for depeche.toml.
    pub(crate) line: String,
}

/// Does what was asked.
pub(crate) fn run(asked: &DomainKey, context: &Context<'_>) -> Done {
    let out = context.out;
    let kind = match asked.algorithm {
        Algorithm::Rsa => NewKey::Rsa2048,
        Algorithm::Ed25519 => NewKey::Ed25519,
    };
    let file = asked.output.clone().unwrap_or_else(|| PathBuf::from(format!("dkim-{}.pem", asked.selector)));
    let made = make(&asked.domain, &asked.selector, kind, &file, context)?;
    let shown = made.file.display().to_string();
    out.document(&json!({ "version": 1, "exit": 0, "domain": asked.domain, "selector": asked.selector,
        "file": shown, "config": made.line,
        "record": { "name": made.name, "type": "TXT", "value": made.record } }));
    if !out.json {
        out.raw(&format!("{}\n", suggest::txt_line(&made.name, &made.record)));
        out.note(say!(out, "key-made", file = &shown));
        out.note(say!(out, "key-next", line = &made.line, domain = &asked.domain));
    }
    Ok(Exit::Done)
}

/// Makes a key and writes its private half. A file that is there is never overwritten: a key that is
/// lost takes the signatures of its record with it.
pub(crate) fn make(
    domain: &str,
    selector: &str,
    kind: NewKey,
    file: &Path,
    context: &Context<'_>,
) -> Result<Made, Failure> {
    let not_a_name =
        |text: &str| Failure::usage("domain.name", say!(context.out, "not-a-domain", text = text));
    let domain =
        name::from_user(domain).filter(|name| name.contains('.')).ok_or_else(|| not_a_name(domain))?;
    let selector = name::from_user(selector).ok_or_else(|| not_a_name(selector))?;
    let unmade = |error| Failure::new(Exit::Problems, "domain.key", error);
    let pem = make_key(kind).map_err(unmade)?;
    let record = record_of(&pem).map_err(unmade)?;
    write_private(file, &pem).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let shown = file.display().to_string();
            Failure::usage("domain.key", say!(context.out, "key-exists", file = &shown))
                .with_hint(say!(context.out, "key-exists-hint"))
        }
        _ => Failure::file(file, &error),
    })?;
    // In TOML a literal string takes a Windows path as it is.
    let line = format!(
        "dkim = {{ domain = \"{domain}\", selector = \"{selector}\", key = {{ file = '{}' }} }}",
        file.display()
    );
    Ok(Made { file: file.to_owned(), name: format!("{selector}._domainkey.{domain}"), record, line })
}

/// A new file that others cannot read, from its first octet on.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    crate::unix::owner_only(&mut options);
    let mut opened = options.open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()
}
