//! `release new|lint|render`; and how every command reads a release.

use std::path::Path;

use depeche::contact::Contact;
use depeche::engine::Render as _;
use depeche::journal::{DeliveryId, DeliveryRecord, DeliveryState};
use depeche::message::Message;
use depeche::release::identity::Identity;
use depeche::release::{
    Assets, Finding, FrozenRelease, Release, ReleaseProblem, Renderer, Severity, new_message_id,
};
use jiff::ZonedDateTime;
use serde_json::json;

use crate::args::{FailOn, Form, Release as Command, ReleaseLint, ReleaseNew, ReleaseRender};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::out::Out;
use crate::run::prepare;
use crate::verbs::{contacts, init};
use crate::words::say;

/// Does what was asked.
pub(crate) fn run(command: &Command, context: &Context<'_>) -> Done {
    match command {
        Command::New(asked) => begin(asked, context),
        Command::Lint(asked) => lint(asked, context),
        Command::Render(asked) => render(asked, context),
    }
}

/// Reads a release; every problem of the file with its place.
pub(crate) fn read(path: &Path) -> Result<Release, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::file(path, &error);
        // What an old editor or a word processor writes.
        match error.kind() == std::io::ErrorKind::InvalidData {
            true => failure.with_hint("save it again as plain text in UTF-8"),
            false => failure,
        }
    })?;
    Release::parse(&text).map_err(|problems| failures(path, &problems))
}

/// The problems of a release, each with its place.
fn failures(path: &Path, problems: &[ReleaseProblem]) -> Failure {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.display().to_string();
    let failure = |problem: &ReleaseProblem| {
        let mut failure = Failure::usage(problem.code, &problem.message).at_line(
            &name,
            &text,
            problem.line,
            problem.column,
        );
        failure.hint.clone_from(&problem.hint);
        failure
    };
    Failure::all(problems.iter().map(failure).collect()).unwrap_or_else(|| Failure::usage("release", &name))
}

/// Reads the files that a release names.
pub(crate) fn assets(release: &Release, path: &Path) -> Result<Assets, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Assets::load(release, folder).map_err(|problems| failures(path, &problems))
}

/// Freezes a release under a date.
pub(crate) fn freeze(
    release: &Release,
    identity: &Identity,
    assets: &Assets,
    (date, path): (&ZonedDateTime, &Path),
) -> Result<FrozenRelease, Failure> {
    release.freeze(identity, assets, date).map_err(|problems| failures(path, &problems))
}

/// Errors of the rules stop a send; the others are returned as lines.
pub(crate) fn lint_or_fail(
    release: &Release,
    identity: &Identity,
    assets: &Assets,
    path: &Path,
    out: &Out,
) -> Result<Vec<String>, Failure> {
    let (errors, others): (Vec<Finding>, Vec<Finding>) =
        release.lint(identity, assets).into_iter().partition(|finding| finding.severity == Severity::Error);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.display().to_string();
    let failure = |finding: &Finding| {
        let mut failure = Failure::usage(finding.id, &finding.message);
        if let Some(line) = finding.line {
            failure = failure.at_line(&name, &text, line, 1);
        }
        failure.with_hint(&finding.fix)
    };
    match Failure::all(errors.iter().map(failure).collect()) {
        Some(failure) => Err(failure),
        None => Ok(told(others, out).iter().map(|finding| line_of(&name, finding, out)).collect()),
    }
}

fn line_of(name: &str, finding: &Finding, out: &Out) -> String {
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let weight = match finding.severity {
        Severity::Error => say!(out, "error-word"),
        Severity::Warn => say!(out, "warning-word"),
    };
    let colon = out.words.colon();
    format!("{name}{line}{colon} {weight}[{}]{colon} {}", finding.id, finding.message)
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
    }
}

fn begin(asked: &ReleaseNew, context: &Context<'_>) -> Done {
    init::write_new(&asked.file, init::release_template(context.out.words.lang), context)?;
    let file = asked.file.display().to_string();
    context.out.document(&json!({ "version": 1, "exit": 0, "file": file }));
    Ok(Exit::Done)
}

/// Every problem of the file and every finding of the rules, each with its rule, place and cure.
fn lint(asked: &ReleaseLint, context: &Context<'_>) -> Done {
    let out = context.out;
    let text = std::fs::read_to_string(&asked.file).map_err(|error| Failure::file(&asked.file, &error))?;
    let identity = match context.config_if_any()? {
        Some(config) => config.identity,
        None => Identity::example(),
    };
    let findings = told(findings(&text, &asked.file, &identity), out);
    let counts = |finding: &Finding| match asked.fail_on {
        FailOn::Error => finding.severity == Severity::Error,
        FailOn::Warn => matches!(finding.severity, Severity::Error | Severity::Warn),
    };
    let exit = if findings.iter().any(counts) { Exit::Problems } else { Exit::Done };
    let name = asked.file.display().to_string();
    let shown = |finding: &Finding| {
        json!({ "id": finding.id, "severity": severity(finding), "line": finding.line,
            "message": finding.message, "fix": finding.fix })
    };
    out.document(&json!({ "version": 1, "exit": exit.code(), "file": name,
        "findings": findings.iter().map(shown).collect::<Vec<_>>() }));
    for finding in &findings {
        out.line(line_of(&name, finding, out));
        if !finding.fix.is_empty() {
            out.line(out.hint(&finding.fix));
        }
    }
    if findings.is_empty() {
        out.line(say!(out, "lint-good", file = &name));
    }
    Ok(exit)
}

/// What cannot be read is a finding like any other: the rules have ids, whoever finds them.
fn findings(text: &str, path: &Path, identity: &Identity) -> Vec<Finding> {
    let (release, problems) = match Release::read(text) {
        Ok(read) => read,
        Err(problems) => return problems.into_iter().map(as_finding).collect(),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<Finding> = problems.into_iter().map(as_finding).collect();
    let files = Assets::load(&release, folder).unwrap_or_else(|problems| {
        found.extend(problems.into_iter().map(as_finding));
        Assets::empty()
    });
    let (known, rules) = (found.len(), release.lint(identity, &files));
    // An embargo that cannot be read is not also one that is missing.
    let embargo_is_told = found[..known].iter().any(|finding| finding.id.starts_with("embargo"));
    found.extend(
        rules.into_iter().filter(|finding| !(embargo_is_told && finding.id == "embargo-text-differs")),
    );
    found.sort_by_key(|finding| finding.line);
    found
}

/// In the user's language.
fn told(findings: Vec<Finding>, out: &Out) -> Vec<Finding> {
    let words = &out.words;
    let one = |finding: Finding| Finding {
        message: words.problem(finding.id, &finding.message),
        fix: words.cure(finding.id, &finding.fix),
        ..finding
    };
    findings.into_iter().map(one).collect()
}

fn as_finding(problem: ReleaseProblem) -> Finding {
    Finding {
        id: problem.code,
        severity: Severity::Error,
        line: Some(problem.line),
        message: problem.message,
        fix: problem.hint.unwrap_or_default(),
    }
}

fn render(asked: &ReleaseRender, context: &Context<'_>) -> Done {
    let out = context.out;
    let release = read(&asked.file)?;
    let assets = assets(&release, &asked.file)?;
    let config = context.config_if_any()?;
    let identity = prepare::identity(config.as_ref(), &asked.file, context);
    let contact = choose_contact(asked, context)?;
    let message = message_for((&release, &assets, &asked.file), &identity, contact.as_ref(), context)?;
    let content = match asked.format {
        Form::Html => message.html.to_string(),
        Form::Text => message.text.to_string(),
        Form::Eml => String::from_utf8_lossy(&message.mime.to_vec()).into_owned(),
    };
    out.document(&json!({ "version": 1, "exit": 0, "to": message.to.address.to_string(),
        "subject": message.subject.as_str(), "content": content }));
    if !out.json {
        out.raw(&content);
    }
    Ok(Exit::Done)
}

/// The contact that was asked for: of the list, or an address alone.
fn choose_contact(asked: &ReleaseRender, context: &Context<'_>) -> Result<Option<Contact>, Failure> {
    if asked.to.is_empty() {
        return Ok(None);
    }
    let list = contacts::read(&asked.to, &contacts::options(None, context.out)?)?;
    let found = match &asked.contact {
        None => list.kept().next(),
        Some(address) => {
            let wanted = depeche::address::EmailAddress::parse(address)
                .map_err(|error| Failure::usage("contact", error))?
                .key();
            list.find(&wanted).map_err(contacts::broken)?
        }
    };
    let found = found.map(|index| list.contact(index)).transpose().map_err(contacts::broken)?;
    let found = found.map(|(contact, _)| contact);
    let name = asked.contact.clone().unwrap_or_default();
    found.map(Some).ok_or_else(|| Failure::usage("contact", say!(context.out, "contact-none", name = name)))
}

/// The message that one contact will see; without a contact, one that stands for all.
pub(crate) fn message_for(
    (release, assets, path): (&Release, &Assets, &Path),
    identity: &Identity,
    contact: Option<&Contact>,
    context: &Context<'_>,
) -> Result<Message, Failure> {
    let failed = |error: String| Failure::usage("release.render", error);
    let date = context.clock.now().to_zoned_datetime(jiff::tz::TimeZone::system());
    let frozen = freeze(release, identity, assets, (&date, path))?;
    let renderer = Renderer::new(&frozen, assets.files(), date).map_err(|error| failed(error.to_string()))?;
    let example = example_contact();
    let contact = contact.unwrap_or(&example);
    renderer.render(&record_of(contact, identity, context)).map_err(|refused| failed(refused.reason))
}

/// A contact that stands for all: every known column is filled.
pub(crate) fn example_contact() -> Contact {
    let address = depeche::address::EmailAddress::parse("journalist@example.org")
        .expect("the example address is an address");
    let mut fields = depeche::contact::Fields::new();
    for name in depeche::contact::KNOWN_COLUMNS {
        fields.insert(name.to_owned(), format!("[{name}]"));
    }
    fields.insert("email".to_owned(), address.to_string());
    Contact { row: 0, address, tier: u32::MAX, embargo_trusted: false, fields }
}

/// A delivery that is in no journal.
fn record_of(contact: &Contact, identity: &Identity, context: &Context<'_>) -> DeliveryRecord {
    DeliveryRecord {
        id: DeliveryId(0),
        address: contact.address.clone(),
        tier: contact.tier,
        position: 0,
        fields: contact.fields.clone(),
        message_id: new_message_id(&*context.entropy, identity.from.address.domain()),
        state: DeliveryState::Pending,
        not_before: None,
        fence: 0,
        transient_refusals: 0,
        avoid: Vec::new(),
        attempts: 0,
        provider: None,
        provider_id: None,
        reply: None,
        at: None,
    }
}
