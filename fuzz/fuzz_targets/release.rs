//! Any text is a release or a list of problems; what renders keeps a contact's field from becoming a header,
//! a script or another recipient.
#![no_main]

use depeche_core::address::EmailAddress;
use depeche_core::contact::Fields;
use depeche_core::message::MessageId;
use depeche_core::release::{Assets, Identity, Release, Renderer};
use libfuzzer_sys::fuzz_target;

const HOSTILE: &str = "<script>canary</script>";

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok(release) = Release::parse(source) else { return };
    let (identity, files) = (Identity::example(), Assets::empty());
    let _ = release.lint(&identity, &files);
    let date: jiff::ZonedDateTime = "2026-12-03T08:00:00+01:00[Europe/Paris]".parse().expect("a fixed date");
    let Ok(frozen) = release.freeze(&identity, &files, &date) else { return };
    let Ok(renderer) = Renderer::new(&frozen, Vec::new(), date) else { return };
    let fields: Fields = release.used_fields().into_iter().map(|name| (name, HOSTILE.to_owned())).collect();
    let to = EmailAddress::parse("zoe@journal.example").expect("a fixed address");
    let id = MessageId::new("<a.1@exemple.fr>").expect("a fixed id");
    let Ok(message) = renderer.message(&to, &fields, &id) else { return };
    if !source.contains("canary") {
        assert!(!message.html.contains(HOSTILE), "a field became markup");
    }
    assert_eq!(message.to.address, to);
});
