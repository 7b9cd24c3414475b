//! Nothing that other people's code can say to a French user is missing from the catalogues: the lists are
//! read from that code itself, in the version that Cargo.lock names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use super::{french, toml};

/// Where the sources of the crates that are compiled in lie, by name and version.
static CRATES: LazyLock<BTreeMap<String, Vec<(String, PathBuf)>>> = LazyLock::new(|| {
    let about = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let about = String::from_utf8(about.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        // What other systems need was never downloaded.
        .args(["--filter-platform", host])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let mut crates: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        let folder = PathBuf::from(text("manifest_path")).parent().unwrap().to_owned();
        crates.entry(text("name")).or_default().push((text("version"), folder));
    }
    crates
});

/// A literal of a source, with what stands in front of it.
struct Literal {
    before: String,
    text: String,
}

/// The texts in quotation marks of a file of a crate, without comments and tests.
fn literals(name: &str, file: &str) -> Vec<Literal> {
    let versions = &CRATES[name];
    assert_eq!(versions.len(), 1, "{name}: more than one version is compiled in");
    let path = versions[0].1.join("src").join(file);
    let code = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//") && !line.trim_start().starts_with("#[");
    let code: Vec<&str> = code.lines().filter(is_code).collect();
    let code =
        code.join("\n").replace("'\"'", "' '").replace("r#\"\"\"\"\"#", "' '").replace("r#\"\"\"#", "' '");
    let code = without_raw_texts(&code.replace("\\\"", "\u{1}"));
    let parts: Vec<&str> = code.split('"').collect();
    let whole = |text: &str| {
        let text: String = text.split("\\\n").map(|part| part.trim_start_matches(' ')).collect();
        text.replace('\u{1}', "\"")
    };
    let odd = (1..parts.len()).step_by(2);
    odd.map(|at| Literal { before: parts[at - 1].trim_end().to_owned(), text: whole(parts[at]) }).collect()
}

/// `r#"a "b""#` written as an ordinary text, its marks as `literals` marks them.
fn without_raw_texts(code: &str) -> String {
    let mut parts = code.split("r#\"");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (raw, rest) = part.split_once("\"#").unwrap_or((part, ""));
        plain.push_str(&format!("\"{}\"{rest}", raw.replace('"', "\u{1}")));
    }
    plain
}

/// The gaps of a format filled with a fact that no sentence is.
fn filled(text: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0);
    for character in text.replace("{{", "\u{2}").replace("}}", "\u{3}").chars() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                out.push('7');
            }
            _ if depth > 0 => {}
            other => out.push(other),
        }
    }
    out.replace('\u{2}', "{").replace('\u{3}', "}")
}

fn untold(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let is_told = |text: &String| french(text).is_some() || french(&filled(text)).is_some();
    texts.into_iter().filter(|text| !is_told(text)).collect()
}

#[test]
fn whatever_the_reader_of_toml_can_say_has_its_french() {
    let parser = ["parser/document.rs", "parser/event.rs", "decoder/scalar.rs", "decoder/string.rs"];
    let parser = parser.into_iter().chain(["decoder/ws.rs", "source.rs", "lexer/token.rs"]);
    let mut found: Vec<Literal> = parser.flat_map(|file| literals("toml_parser", file)).collect();
    let values = ["de/parser/document.rs", "de/parser/key.rs", "de/parser/inline_table.rs"];
    found.extend(values.into_iter().flat_map(|file| literals("toml", file)));
    let dates = literals("toml_datetime", "datetime.rs");
    let opens =
        |literal: &Literal, openers: &[&str]| openers.iter().any(|open| literal.before.ends_with(open));
    let mut said = Vec::new();
    for literal in found {
        let is_expected = opens(&literal, &["Expected::Description("]);
        let is_finding = opens(&literal, &["ParseError::new("])
            || ["invalid ", "unquoted "].iter().any(|begin| literal.text.starts_with(begin));
        if is_finding {
            said.push(literal.text);
        } else if is_expected {
            said.push(format!("invalid value, expected {}", literal.text));
        } else if literal.text.starts_with("cannot extend ") {
            // `DeValue::type_str` (toml's de/parser/devalue.rs), and what TOML calls an inline table.
            let kinds = ["string", "integer", "float", "boolean", "datetime", "array", "table"];
            said.extend(kinds.map(|kind| literal.text.replace("{}", kind)));
        }
    }
    for literal in dates {
        if opens(&literal, &[".what("]) {
            said.push(format!("invalid {}", literal.text));
        } else if opens(&literal, &[".expected("]) || literal.text.starts_with("day between") {
            said.push(format!("invalid datetime, expected {}", literal.text));
        }
    }
    assert!(said.len() > 120, "the sources are read in another way than they are written: {}", said.len());
    let missing: Vec<_> = said.into_iter().filter(|text| toml(text).is_none()).collect();
    assert!(missing.is_empty(), "not in locales/toml.fr.txt: {missing:#?}");
}

/// What a person who edits depeche.toml by hand does to it.
#[test]
fn a_broken_depeche_toml_is_told_in_french() {
    for text in [
        "[from",
        "[[provider]",
        "[from]\nname",
        "[from]\nname = ",
        "[from]\nname = Zoé",
        "[from]\nname = \"Zoé",
        "[from]\nname = 'Zoé",
        "[from]\nname = \"\"\"Zoé",
        "[from]\nname = \"a\\é\"",
        "[from]\nname = \"a\" \"b\"",
        "[from]\nname: \"a\"",
        "[from]\nprénom = \"a\"",
        "[from]\n= \"a\"",
        "[from]\nname = \"a\"\nname = \"b\"",
        "[from]\n[from]",
        "a = 1\na.b = 2",
        "a = [1 2]",
        "a = [1,, 2]",
        "a = [1, 2",
        "a = { b = 1 c = 2 }",
        "a = { b = 1",
        "a = { b }",
        "a = { = 1 }",
        "a = 007",
        "a = 1__0",
        "a = 0XFF",
        "a = +0x1",
        "a = tru",
        "a = yes",
        "a = 1.e",
        "a = 2026-13-45",
        "a = 2026-02-30",
        "a = 2026-12-03T25:00:00Z",
        "a = \u{201c}b\u{201d}",
        "a == 1",
        "a = 1 # \u{1}",
        "a = ]",
        "}",
        "a = \"\\u12\"",
    ] {
        let (_, errors) = toml::de::DeTable::parse_recoverable(text);
        assert!(!errors.is_empty(), "{text:?} is TOML");
        for error in errors {
            assert!(toml(error.message()).is_some(), "{text:?}: {}", error.message());
        }
    }
}

#[test]
fn whatever_the_reader_of_yaml_can_say_of_a_text_has_its_french() {
    // Of the error itself, not of what is wrong: its place, and the stack of included files.
    let is_place =
        |text: &str| text.starts_with("\\n") || text.trim() == "->" || text.starts_with("{} at char");
    let said = literals("granit-parser", "error.rs").into_iter().map(|literal| literal.text);
    let said: Vec<String> = said.filter(|text| text.contains(' ') && !is_place(text)).collect();
    assert!(said.len() > 90, "the source is read in another way than it is written: {}", said.len());
    assert_eq!(untold(said), Vec::<String>::new(), "not in locales/foreign.fr.txt");
}

/// What a front matter cannot meet is left out: it holds no enum, number, character or bytes, includes no file
/// and expands no property.
#[test]
fn whatever_the_reader_of_a_front_matter_can_say_has_its_french() {
    const NOT_HERE: [&str; 16] = [
        "include",
        "propert",
        "enum",
        "char",
        "bytes",
        "unit",
        "boolean",
        "float",
        "internal",
        "IO error",
        "invalid length",
        "unknown variant",
        "value requested",
        "Invalid name",
        "must be quoted",
        "&str",
    ];
    // The second formatter of that file, for readers who know nothing of YAML, is not used.
    let all = literals("serde-saphyr", "de/message_formatters.rs").into_iter();
    let said = all.take_while(|literal| !literal.before.contains("fn builtin_standalone_message"));
    let said = said.map(|literal| literal.text.split(", set ").next().unwrap().to_owned());
    let is_here = |text: &String| {
        let words =
            text.split(' ').filter(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_alphabetic()));
        words.count() > 1 && !NOT_HERE.iter().any(|word| text.contains(word))
    };
    let said: Vec<String> = said.filter(is_here).collect();
    assert!(said.len() > 25, "the source is read in another way than it is written: {}", said.len());
    assert_eq!(untold(said), Vec::<String>::new(), "not in locales/foreign.fr.txt");
}

/// What a person who writes a release by hand does to its head and its tags.
#[test]
fn a_broken_release_is_told_in_french() {
    let heads = [
        "title: [a",
        "title: {a",
        "title: {a: b",
        "title: \"a",
        "title: 'a",
        "title: 'a' b",
        "title: \"a\" b",
        "title: \"\\q\"",
        "title: \"\\u12\"",
        "title: A: b",
        "title: @a",
        "title: `a`",
        "title: %a",
        "title: *a",
        "title: &",
        "title: !x a",
        "title: !!binary é",
        "title: ]",
        "title: X\n\tsubtitle: Y",
        "title: X\n  subtitle: Y",
        "title: X\nsubtitle",
        "title: X\n-a",
        "title: X\n- a",
        "title: X\nimages:\n- file: a\n alt: b",
        "title: X\nimages:\n  - file: a\n    alt: b\n   - file: c",
        "title: X\nimages: {file: a}",
        "title: X\nimages: [a, b",
        "title: X\nimages: [{file: a]",
        "title: X\nimages:\n- alt: a",
        "title: X\ncontact: Jeanne",
        "title: X\ncontact: {name: Jeanne}",
        "title: X\ncontact: {name: J, email: nobody}",
        "title: X\ncontact: {name: J, email: j@x.example, fax: 1}",
        "title: X\ntitle: Y",
        "title: X\nattachments: a.pdf",
        "title: X\nattachments: [[a]]",
        "title: X\ndefaults: [a]",
        "title: X\ndefaults: {outlet: [a]}",
        "title: ~",
        "title:",
        "title: >\nX",
        "title: |9x\n X",
        "title: \"a\\nb\"",
        "? a\n: b",
        "<<: a",
        "a",
        "[a]",
        "%YAML 1.2",
        "title: X\n...\nY",
    ];
    let bodies = [
        "{{ contact.first_name",
        "{{ contact. }}",
        "{{ contact.x | nofilter }}",
        "{{ contact.x y }}",
        "{{ 'a }}",
        "{{ contact.x is notest }}",
        "{% if contact.x %}",
        "{% if %}",
        "{% endif %}",
        "{% for x contact.y %}{% endfor %}",
        "{% nothing %}",
        "{{ }}",
        "{{ contact[] }}",
        "{{ f(a=1, 2) }}",
        "{{ nofunction() }}",
        "{{ 1_ }}",
        "{{ 99999999999999999999999999999999999999999999 }}",
        "{{ § }}",
        "{% break %}",
        "{% set loop = 1 %}",
        "{% raw %}",
        "{% block a %}{% endblock b %}",
        "{{ nom }}",
        "{{ contact.x.y() }}",
    ];
    let releases = heads.iter().map(|head| format!("---\n{head}\n---\nText\n"));
    let releases = releases.chain(bodies.iter().map(|body| format!("---\ntitle: X\n---\nText {body}\n")));
    let (mut missing, mut broken) = (Vec::new(), 0);
    for release in releases {
        let Err(problems) = depeche::release::Release::parse(&release) else { continue };
        broken += 1;
        let said = problems.iter().flat_map(|problem| [Some(&problem.message), problem.hint.as_ref()]);
        for text in said.flatten().filter(|text| french(text).is_none()) {
            missing.push(format!("{release:?}: {text}"));
        }
    }
    assert!(broken > 60, "only {broken} are broken");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn whatever_the_template_engine_can_say_has_its_french() {
    let kinds = literals("minijinja", "error.rs").into_iter();
    let mut said: Vec<String> =
        kinds.filter(|literal| literal.before.ends_with("=>")).map(|literal| literal.text).collect();
    // What is not shown: how the engine prints its own syntax tree, and texts of its debugger.
    let is_shown = |literal: &Literal| {
        !["write!(", "Formatter<", "panic!("].iter().any(|open| literal.before.contains(open))
    };
    for file in ["compiler/lexer.rs", "compiler/parser.rs", "compiler/tokens.rs", "compiler/ast.rs"] {
        let all = literals("minijinja", file).into_iter();
        let shown = all.filter(|literal| literal.text.contains("unexpected ") || is_shown(literal));
        said.extend(shown.map(|literal| literal.text).filter(|text| text.contains(' ')));
    }
    said.retain(|text| !text.starts_with(' ') && !text.contains("@ {}"));
    assert!(said.len() > 50, "the source is read in another way than it is written: {}", said.len());
    assert_eq!(untold(said), Vec::<String>::new(), "not in locales/foreign.fr.txt");
}

#[cfg(target_os = "linux")]
#[test]
fn every_error_of_the_operating_system_has_its_french() {
    let all = (1..=133).map(|number| std::io::Error::from_raw_os_error(number).to_string());
    // 41 and 58 are free, and other C libraries than glibc know fewer.
    let known = all.filter(|text| !text.starts_with("Unknown error") && !text.starts_with("No error"));
    assert_eq!(untold(known), Vec::<String>::new(), "not in locales/foreign.fr.txt");
}

#[test]
fn every_kind_of_error_of_the_standard_library_has_its_french() {
    use std::io::ErrorKind as Kind;
    let kinds = [
        Kind::NotFound,
        Kind::PermissionDenied,
        Kind::ConnectionRefused,
        Kind::ConnectionReset,
        Kind::HostUnreachable,
        Kind::NetworkUnreachable,
        Kind::ConnectionAborted,
        Kind::NotConnected,
        Kind::AddrInUse,
        Kind::AddrNotAvailable,
        Kind::NetworkDown,
        Kind::BrokenPipe,
        Kind::AlreadyExists,
        Kind::WouldBlock,
        Kind::NotADirectory,
        Kind::IsADirectory,
        Kind::DirectoryNotEmpty,
        Kind::ReadOnlyFilesystem,
        Kind::StaleNetworkFileHandle,
        Kind::InvalidInput,
        Kind::InvalidData,
        Kind::TimedOut,
        Kind::WriteZero,
        Kind::StorageFull,
        Kind::NotSeekable,
        Kind::QuotaExceeded,
        Kind::FileTooLarge,
        Kind::ResourceBusy,
        Kind::ExecutableFileBusy,
        Kind::Deadlock,
        Kind::CrossesDevices,
        Kind::TooManyLinks,
        Kind::InvalidFilename,
        Kind::ArgumentListTooLong,
        Kind::Interrupted,
        Kind::Unsupported,
        Kind::UnexpectedEof,
        Kind::OutOfMemory,
        Kind::Other,
    ];
    let said = kinds.map(|kind| std::io::Error::from(kind).to_string());
    assert_eq!(untold(said), Vec::<String>::new(), "not in locales/foreign.fr.txt");
}
