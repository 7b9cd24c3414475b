//! `contacts check`, `contacts convert`; and how every command reads its lists.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use depeche::contact::{
    ColumnMapping, ContactList, ContactReader, ConvertOptions, Expression, FileError, FileReport,
    GREETED_COLUMNS, LeftOut, ListError, ReadOptions, SelectionError, Source, TextEncoding, convert,
};
use serde_json::{Value, json};

use crate::args::{Contacts, ContactsCheck, ContactsConvert, Lang};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::long::LongDocument;
use crate::out::{Out, is_stdout};
use crate::words::{Words, say};

/// Does what was asked.
pub(crate) fn run(command: &Contacts, context: &Context<'_>) -> Done {
    match command {
        Contacts::Check(asked) => check(asked, context),
        Contacts::Convert(asked) => convert_list(asked, context),
    }
}

/// Rows of so many octets together stay in memory; more of them go to a temporary file without a name.
const IN_MEMORY: usize = 1024 * 1024;

/// Reads `files` as one list, which may be longer than memory.
pub(crate) fn read(files: &[PathBuf], options: &ReadOptions) -> Result<ContactList, Failure> {
    let mut sources = Vec::new();
    for path in files {
        let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
        sources.push(Source::new(path.display().to_string(), file));
    }
    let scratch = tempfile::SpooledTempFile::new(IN_MEMORY);
    ContactList::read(sources, options, scratch).map_err(|errors| {
        let failures = errors.iter().map(|FileError { file, error }| list_failure(file, error)).collect();
        Failure::all(failures).unwrap_or_else(|| Failure::new(Exit::Problems, "list", "unreadable"))
    })
}

/// What the user states about encodings.
pub(crate) fn options(encoding: Option<&str>, out: &Out) -> Result<ReadOptions, Failure> {
    let mut options = ReadOptions::default();
    if let Some(name) = encoding {
        let known = TextEncoding::named(name);
        if known.is_none() {
            return Err(Failure::usage("list.encoding", say!(out, "list-no-encoding", name = name)));
        }
        options.encoding = known;
    }
    Ok(options)
}

/// The temporary copy of a list cannot be read.
pub(crate) fn broken(error: std::io::Error) -> Failure {
    let error = ListError::Scratch(error);
    let mut failure = Failure::new(Exit::Problems, error.code(), &error);
    failure.hint = error.hint();
    failure
}

/// Keeps those whom `expression` chooses; returns how many are gone.
pub(crate) fn select(list: &mut ContactList, expression: &str) -> Result<usize, Failure> {
    let parsed = Expression::parse(expression).map_err(|error| selection_failure(expression, &[error]))?;
    let selection = parsed.bind(list.columns()).map_err(|errors| selection_failure(expression, &errors))?;
    list.select(&selection).map_err(broken)
}

fn selection_failure(expression: &str, errors: &[SelectionError]) -> Failure {
    let failure = |error: &SelectionError| {
        let mut failure = Failure::usage(error.code(), error)
            .at("--where", expression, error.span.clone())
            .with_hint(error.hint());
        if let Some(place) = &mut failure.location {
            place.excerpt = error.caret(expression);
        }
        failure
    };
    Failure::all(errors.iter().map(failure).collect()).unwrap_or_else(|| Failure::usage("where", expression))
}

fn list_failure(file: &str, error: &ListError) -> Failure {
    let mut failure = Failure::new(Exit::Usage, error.code(), format!("{file}: {error}"));
    failure.hint = error.hint();
    failure
}

fn check(asked: &ContactsCheck, context: &Context<'_>) -> Done {
    let out = context.out;
    let mut list = read(&asked.files, &options(asked.encoding.as_deref(), out)?)?;
    list.leave_out_unusable(&GREETED_COLUMNS, |_| {}).map_err(broken)?;
    let exit = if list.has_defects() { Exit::Problems } else { Exit::Done };
    if let Some(expression) = &asked.selection {
        select(&mut list, expression)?;
        out.note(say!(out, "run-recipients", count = list.len()));
    }
    if out.json {
        write_document(&list, exit, out).map_err(broken)?;
    } else {
        show_files(out, list.files());
        show_rows(out, &list).map_err(broken)?;
        out.line(say!(
            out,
            "contacts-summary",
            good = list.len(),
            left_out = list.left_out_count(),
            duplicates = list.duplicate_count()
        ));
    }
    Ok(exit)
}

fn write_document(list: &ContactList, exit: Exit, out: &Out) -> std::io::Result<()> {
    let file = |report: &FileReport| {
        let column = |column: &ColumnMapping| json!({ "header": column.header, "name": column.name, "kind": format!("{:?}", column.kind).to_lowercase() });
        json!({
            "file": report.file,
            "encoding": report.detection.encoding.name(),
            "separator": report.detection.separator.name(),
            "rows": report.rows,
            "columns": report.columns.iter().map(column).collect::<Vec<_>>(),
        })
    };
    let files = list.files().iter().map(file).collect::<Vec<_>>();
    let head = json!({ "version": 1, "exit": exit.code(), "contacts": list.len(), "files": files });
    let mut document = LongDocument::new(out, head);
    document.list("duplicates");
    for row in list.duplicates() {
        let row = row?;
        document.entry(&json!({
            "file": row.place.file, "row": row.place.row, "address": row.address.to_string(),
            "first": { "file": row.first.file, "row": row.first.row }, "differing": row.differing,
        }));
    }
    document.list("left_out");
    for row in list.left_out() {
        document.entry(&left_out(&row?, &out.words));
    }
    document.list("remarks");
    for remark in list.remarks() {
        let remark = remark?;
        document.entry(&json!({ "file": remark.file, "row": remark.problem.row,
            "column": remark.problem.column, "code": remark.problem.reason.code(),
            "message": out.words.problem(remark.problem.reason.code(), &remark.problem.reason.to_string()) }));
    }
    document.end();
    Ok(())
}

/// A row that is left out, as `--json` shows it and a run keeps it.
pub(crate) fn left_out(row: &LeftOut, words: &Words) -> Value {
    let said = row.problems.iter().map(|problem| words.problem(problem.reason.code(), &problem.to_string()));
    let reasons: Vec<String> = said.collect();
    let cure = row.reason().map(|reason| words.cure(reason.code(), &reason.cure()));
    let code = row.reason().map(|reason| reason.code());
    json!({ "file": row.place.file, "row": row.place.row, "line": row.place.line,
        "address": row.address.as_ref().map(ToString::to_string),
        "code": code, "reason": reasons.join("; "), "cure": cure })
}

fn show_files(out: &Out, files: &[FileReport]) {
    for report in files {
        out.line(say!(
            out,
            "contacts-file",
            file = &report.file,
            encoding = report.detection.encoding.name(),
            separator = separator(out, report.detection.separator.name()),
            rows = report.rows
        ));
        for column in report.columns.iter().filter(|column| column.header != column.name) {
            out.line(format!("  {} -> {}", column.header, column.name));
        }
    }
}

/// The name of a separator: no sign is read well aloud.
fn separator(out: &Out, name: &str) -> String {
    match name {
        "comma" => say!(out, "separator-comma"),
        "semicolon" => say!(out, "separator-semicolon"),
        "tab" => say!(out, "separator-tab"),
        other => other.to_owned(),
    }
}

fn show_rows(out: &Out, list: &ContactList) -> std::io::Result<()> {
    for row in list.left_out() {
        let row = row?;
        for problem in &row.problems {
            let (code, words) = (problem.reason.code(), &out.words);
            out.line(format!(
                "{}{} {}",
                row.place.file,
                words.colon(),
                words.problem(code, &problem.to_string())
            ));
            let cure = words.cure(code, &problem.reason.cure());
            out.line(out.hint(&cure));
        }
    }
    for row in list.duplicates() {
        let row = row?;
        out.line(say!(
            out,
            "contacts-duplicate",
            file = &row.place.file,
            row = row.place.row,
            address = row.address.to_string(),
            first = row.first.row
        ));
    }
    for remark in list.remarks() {
        let remark = remark?;
        let code = remark.problem.reason.code();
        let said = out.words.problem(code, &remark.problem.to_string());
        out.line(format!("{}{} {said}", remark.file, out.words.colon()));
    }
    Ok(())
}

fn convert_list(asked: &ContactsConvert, context: &Context<'_>) -> Done {
    let out = context.out;
    let output = asked.output.as_deref().filter(|path| !is_stdout(path));
    let rejects_on_stdout = asked.rejects.as_deref().is_some_and(is_stdout);
    if rejects_on_stdout && (out.json || output.is_none()) {
        return Err(Failure::usage("contacts.stdout", say!(out, "stdout-contacts")));
    }
    let input = File::open(&asked.file).map_err(|error| Failure::file(&asked.file, &error))?;
    let name = asked.file.display().to_string();
    let reader = ContactReader::open(input, &options(asked.encoding.as_deref(), out)?)
        .map_err(|error| list_failure(&name, &error))?;
    let (mut written, mut rejects) = (Vec::new(), Vec::new());
    let mut how = ConvertOptions::default().with_formula_safe(asked.formula_safe);
    if out.words.lang == Lang::Fr {
        how = how.told_by(|english| crate::sentences::french(english).unwrap_or_else(|| english.to_owned()));
    }
    let done = convert(reader, &mut written, Some(&mut rejects), &how)
        .map_err(|error| Failure::new(Exit::Problems, "contacts.convert", format!("{name}: {error}")))?;
    match &asked.rejects {
        Some(_) if rejects_on_stdout => out.raw(&String::from_utf8_lossy(&rejects)),
        Some(path) => save(path, &rejects)?,
        None => {}
    }
    let exit = if done.rejected > 0 { Exit::Problems } else { Exit::Done };
    let text = String::from_utf8_lossy(&written);
    let csv = match output {
        Some(path) => {
            save(path, &written)?;
            None
        }
        None if out.json => Some(text),
        None => {
            out.raw(&text);
            None
        }
    };
    out.document(&json!({ "version": 1, "exit": exit.code(), "written": done.written,
        "opted_out": done.opted_out, "rejected": done.rejected, "duplicates": done.duplicates, "csv": csv }));
    out.note(say!(
        out,
        "contacts-converted",
        written = done.written,
        rejected = done.rejected,
        duplicates = done.duplicates
    ));
    Ok(exit)
}

/// Writes a file anew.
pub(crate) fn save(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || File::create(path)?.write_all(content);
    write().map_err(|error| Failure::file(path, &error))
}
