use bytes::Bytes;
use jiff::ZonedDateTime;

use super::*;
use crate::address::EmailAddress;
use crate::contact::{Contact, Fields};
use crate::message::{Message, MessageId};

const HEAD: &str = "---\ntitle: \"L’usine rouvre\"\nlang: fr\ncity: Grenoble\n---\n";

fn release(body: &str) -> Release {
    Release::parse(&format!("{HEAD}{body}")).unwrap()
}

fn date() -> ZonedDateTime {
    "2026-12-03T08:00:00+01:00[Europe/Paris]".parse().unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn render(release: &Release, fields: &Fields) -> Message {
    try_render(release, fields).unwrap()
}

fn try_render(release: &Release, fields: &Fields) -> Result<Message, crate::engine::RenderRefused> {
    let frozen = release.freeze(&Identity::example(), &Assets::empty(), &date()).unwrap();
    let renderer = Renderer::new(&frozen, Vec::new(), date()).unwrap();
    let to = EmailAddress::parse("zoe@journal.example").unwrap();
    renderer.message(&to, fields, &MessageId::new("<a.1@exemple.fr>").unwrap())
}

#[test]
fn a_release_becomes_html_and_text_for_one_contact() {
    let release = release("Bonjour {{ contact.first_name }},\n\nVoir [le site](https://exemple.fr/a).\n");

    let message = render(&release, &fields(&[("first_name", "Zoé"), ("last_name", "Lefèvre")]));

    assert_eq!(message.subject.as_str(), "L’usine rouvre");
    assert_eq!(message.to.name.as_ref().unwrap().as_str(), "Zoé Lefèvre");
    assert!(message.html.contains("Bonjour Zoé,"), "{}", message.html);
    assert!(message.html.contains("POUR DIFFUSION IMMÉDIATE"));
    assert!(message.html.contains("href=\"https://exemple.fr/a\""));
    assert!(message.text.contains("Voir le site [1]."));
    assert!(message.text.contains("[1] https://exemple.fr/a"));
    assert!(message.text.contains("Grenoble, jeudi 3 décembre 2026"));
    assert!(message.html.contains("style=\""), "the CSS is inlined");
    assert!(message.html.contains("@media"), "media queries stay");
    assert!(!message.html.contains("http://") || message.html.contains("www.w3.org/1999/xhtml"));
}

/// RFC 6068, section 2: a space and an at sign in a subject are encoded.
#[test]
fn the_opt_out_of_the_footer_names_its_message_as_list_unsubscribe_does() {
    let message = render(&release("Bonjour\n"), &fields(&[]));

    let target = "mailto:presse+stop@exemple.fr?subject=STOP%20a.1%40exemple.fr";
    assert!(message.html.contains(&format!("href=\"{target}\"")), "{}", message.html);
    let mime = String::from_utf8(message.mime.to_vec()).unwrap();
    assert!(mime.contains(&format!("List-Unsubscribe: <{target}>")), "{mime}");
}

#[test]
fn a_date_in_words_is_printed_as_it_was_written() {
    let text = HEAD.replace("city: Grenoble", "city: Grenoble\ndate: début décembre 2026");

    let message = render(&Release::parse(&format!("{text}Bonjour\n")).unwrap(), &fields(&[]));

    assert!(message.text.contains("Grenoble, début décembre 2026"), "{}", message.text);
}

#[test]
fn a_hostile_field_is_text_and_nothing_else() {
    let release = release("Bonjour {{ contact.first_name }} !\n");
    let hostile = "<script>x</script> **b** {{ contact.email }} {% raw %} [a](http://x)";

    let message = render(&release, &fields(&[("first_name", hostile), ("email", "secret@x.example")]));

    assert!(!message.html.contains("<script>"));
    assert!(!message.html.contains("secret@x.example"));
    assert!(message.html.contains("&lt;script&gt;"));
    assert!(message.text.replace("\r\n", " ").contains("**b** {{ contact.email }}"));
}

#[test]
fn a_block_condition_leaves_no_empty_paragraph() {
    let release = release("{% if contact.outlet %}\n\nPour {{ contact.outlet }}.\n\n{% endif %}\n\nFin.\n");

    let with = render(&release, &fields(&[("outlet", "Le Progrès")]));
    let without = render(&release, &fields(&[]));

    assert!(with.html.contains("Pour Le Progrès."));
    assert!(!without.html.contains("Pour "));
    assert!(!without.html.contains("<p></p>"));
}

#[test]
fn a_missing_field_is_counted_with_its_fix_before_anything_is_sent() {
    let release = release(
        "{{ contact.first_name }} {{ contact.outlet | default(\"x\") }} {% if contact.role %}{{ contact.role }}{% endif %}",
    );
    let contact = |row, pairs: &[(&str, &str)]| Contact {
        row,
        address: EmailAddress::parse(&format!("j{row}@journal.example")).unwrap(),
        tier: 1,
        embargo_trusted: false,
        fields: fields(pairs),
    };

    let missing =
        release.missing(&[contact(2, &[("first_name", "Zoé")]), contact(3, &[("first_name", "  ")])]);

    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!((missing[0].field.as_str(), missing[0].count), ("first_name", 1));
    assert_eq!(missing[0].addresses, ["j3@journal.example"]);
    assert_eq!(missing[0].fix, "{{ contact.first_name | default(\"Madame, Monsieur\") }}");
    assert_eq!(missing[0].selection, "first_name is set");
}

#[test]
fn every_problem_of_a_release_is_told_at_once() {
    let source = "---\ntitle: x\nlang: de\nembargo: \"2026-12-03 08:00\"\nslug: \"É\"\n---\n{{ open";

    let problems = Release::parse(source).unwrap_err();

    let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["lang", "embargo-no-zone", "template", "slug"]);
}

#[test]
fn an_unknown_key_or_name_is_an_error_with_its_line() {
    let key = Release::parse("---\ntitle: x\nsubtitel: y\n---\n").unwrap_err();
    let name = Release::parse("---\ntitle: x\n---\n\n{{ first_name }}\n").unwrap_err();

    assert_eq!((key[0].code, key[0].line), ("release.front-matter", 3), "{key:?}");
    assert_eq!((name[0].code, name[0].line), ("template", 5), "{name:?}");
}

#[test]
fn the_digest_covers_source_and_files_and_not_the_identity() {
    let mut files = Assets::empty();
    let plain = release("a").digest(&files);
    files.attachments.push(("a.pdf".to_owned(), Bytes::from_static(b"x")));

    assert_eq!(plain, release("a").digest(&Assets::empty()));
    assert_ne!(plain, release("b").digest(&Assets::empty()));
    assert_ne!(plain, release("a").digest(&files));
}

#[test]
fn lint_names_each_rule_that_is_broken() {
    let source = "---\ntitle: \"TOUT EN CAPITALES ICI\"\nimages:\n  - file: a.png\n---\n\
                  Sous embargo jusqu'au 4 mai.\n\n<b>x</b>\n\n![p](https://x.example/p.png)\n";
    let release = Release::parse(source).unwrap();
    let mut identity = Identity::example();
    identity.press_contact = None;
    identity.unsubscribe.mailto = None;

    let found = release.lint(&identity, &Assets::empty());

    let mut ids: Vec<_> = found.iter().map(|finding| finding.id).collect();
    ids.dedup();
    let meant = [
        "no-press-contact",
        "no-opt-out",
        "no-dateline",
        "embargo-text-differs",
        "subject-capitals",
        "raw-html",
        "remote-asset",
        "image-no-alt",
    ];
    assert_eq!(ids, meant);
    assert!(ids.iter().all(|id| explain(id).is_some()));
}

#[test]
fn a_file_outside_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["../secret.pdf", "/etc/hosts.txt", "a/../../b.pdf"] {
        let source = format!("---\ntitle: x\nattachments: [\"{name}\"]\n---\n");
        let release = Release::parse(&source).unwrap();

        let problems = Assets::load(&release, folder.path()).unwrap_err();

        assert_eq!(problems[0].code, "asset-outside", "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn no_field_ever_becomes_a_header_or_a_tag(value in "\\PC{0,60}") {
        let release = release("Bonjour {{ contact.first_name }} !\n");
        if let Ok(message) = try_render(&release, &fields(&[("first_name", &format!("<i>{value}"))])) {
            proptest::prop_assert!(!message.html.contains("<i>"));
        }
        let broken = format!("{value}\r\nBcc: a@b.example");
        proptest::prop_assert!(try_render(&release, &fields(&[("first_name", &broken)])).is_err());
    }

    #[test]
    fn reading_a_release_never_panics(text in "\\PC{0,200}") {
        let _ = Release::parse(&text);
        let _ = Release::parse(&format!("---\n{text}\n---\n{text}"));
    }
}

#[test]
fn every_shipped_release_goes_out_as_it_stands_to_the_example_list() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut seen = 0;
    for lang in ["fr", "en"] {
        for entry in std::fs::read_dir(format!("{root}/templates/{lang}")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let release = Release::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let assets = Assets::load(&release, path.parent().unwrap()).unwrap();
            let findings = release.lint(&Identity::example(), &assets);
            assert_eq!(findings, [], "{}", path.display());
            let message = render(&release, &fields(&[]));
            assert!(message.html.len() < 102_400);
            assert!(message.text.lines().all(|line| line.chars().count() <= 72 || line.contains("http")));
            seen += 1;
        }
    }
    assert!(seen >= 3);
}

#[test]
fn an_image_on_the_web_has_an_https_address() {
    let with = |url: &str| format!("---\ntitle: x\nimages:\n  - file: a.jpg\n    url: \"{url}\"\n---\nx\n");
    for url in ["http://presse.exemple.fr/a.jpg", "a.jpg", "https://", "https://exemple.fr/a b.jpg"] {
        let problems = Release::parse(&with(url)).unwrap_err();
        assert_eq!((problems[0].code, problems[0].line), ("release.image-url", 5), "{url}");
    }
    assert!(Release::parse(&with("https://presse.exemple.fr/a.jpg?x=1")).is_ok());
}

/// RFC 2045, section 6.8: base64 makes 4 octets of 3, so 15 000 000 octets of files are a message of 20 MB.
#[test]
fn many_photos_are_as_heavy_as_many_attachments() {
    let photos = |count: usize, octets: usize| Assets {
        images: (0..count).map(|n| (format!("p{n}.jpg"), Bytes::from(vec![0; octets]))).collect(),
        ..Assets::empty()
    };
    let ids = |assets: &Assets| -> Vec<(&str, Severity)> {
        let found = release("Texte.\n").lint(&Identity::example(), assets);
        found.iter().map(|finding| (finding.id, finding.severity)).collect()
    };

    assert_eq!(ids(&photos(30, 900_000)), [("attachments-too-large", Severity::Error)]);
    assert_eq!(ids(&photos(10, 900_000)), [("attachment-as-image", Severity::Warn)]);
    assert_eq!(ids(&photos(3, 900_000)), []);
    let both = Assets {
        attachments: vec![("a.pdf".to_owned(), Bytes::from(vec![0; 9_000_000]))],
        ..photos(10, 900_000)
    };
    assert_eq!(ids(&both), [("attachments-too-large", Severity::Error)]);
}

#[test]
fn a_release_without_a_text_is_an_error() {
    let found = release("\n  \n").lint(&Identity::example(), &Assets::empty());
    let ids: Vec<&str> = found.iter().map(|finding| finding.id).collect();

    assert_eq!(ids, ["no-text"]);
}
