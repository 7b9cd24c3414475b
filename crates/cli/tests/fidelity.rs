//! What a provider changes: said by `plan`, tried by `provider test --message`, shown by
//! `message compare`. With the real binary against scripted servers.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IDENTITY, Project};
use depeche_testkit::smtp::{FakeSmtp, Phase, Rule};

/// The same release through OVH and Brevo, with a photo that is on the web, or is not.
fn with_photo(url: &str) -> Project {
    let project = Project::new(vec![], 3);
    project.write(
        "depeche.toml",
        &format!(
            "{IDENTITY}[[provider]]\nname = \"ovh\"\nkind = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"\n\
             [[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = {{ env = \"NO_SUCH_KEY\" }}\n\
             base_url = \"http://127.0.0.1:9/v3\"\n[fallback]\nrequire_authenticated = false\n"
        ),
    );
    let release = format!(
        "---\ntitle: L’usine rouvre\nlang: fr\nslug: usine\ncity: Grenoble\nattachments: [\"Communiqué.pdf\"]\n\
         images:\n  - file: usine.png\n    alt: L’usine\n{url}---\nTexte.\n"
    );
    project.write("release.md", &release);
    project.write("Communiqué.pdf", "%PDF-1.7");
    project.write("usine.png", "png");
    project
}

fn codes(plan: &serde_json::Value) -> Vec<(&str, &str, bool)> {
    let changes = plan["changes"].as_array().unwrap();
    changes
        .iter()
        .map(|one| (one["provider"].as_str().unwrap(), one["code"].as_str().unwrap(), one["carries"] == true))
        .collect()
}

#[test]
fn plan_says_what_each_provider_will_change() {
    let project = with_photo("    url: \"https://presse.exemple.fr/usine.png\"\n");

    let said = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let plan = said.document();
    let expected = ["tracking", "message-id", "file-names", "images-linked"];
    assert_eq!(codes(&plan), expected.map(|code| ("brevo", code, true)));
    let names = &plan["changes"][2]["message"];
    assert!(names.as_str().unwrap().contains("Communique.pdf"), "{names}");
}

/// PROVIDERS.md, section 1.1: 70 characters for a name; and its comma goes where the encoded word is longer.
#[test]
fn plan_says_what_becomes_of_a_long_name_of_the_sender() {
    let project = with_photo("    url: \"https://presse.exemple.fr/usine.png\"\n");
    let name = "Ministère de l’Énergie, Direction générale de la communication, Service de presse";
    project.configure("name = \"Service de presse Exemple\"", &format!("name = \"{name}\""));

    let said = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]);

    let plan = said.document();
    let change = plan["changes"].as_array().unwrap().iter().find(|one| one["code"] == "sender-name");
    let message = change.unwrap_or_else(|| panic!("{plan}"))["message"].as_str().unwrap().to_owned();
    // Counted by hand: the first 70 characters, the commas as blanks.
    let shown = "Ministère de l’Énergie Direction générale de la communication Service ";
    assert!(message.contains(shown.trim_end()) && !message.contains("Service de presse"), "{message}");
}

#[test]
fn an_image_that_is_nowhere_on_the_web_goes_through_another_provider_and_plan_says_so() {
    let project = with_photo("");

    let both = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]);
    let only = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json", "--route", "brevo"]);

    let plan = both.document();
    assert!(codes(&plan).contains(&("brevo", "images", false)), "{plan}");
    let forecast: Vec<_> = plan["forecast"].as_array().unwrap().iter().map(|one| &one["provider"]).collect();
    assert_eq!(forecast, ["ovh"]);
    assert_eq!(only.exit, Some(2), "{only:?}");
    assert_eq!(only.document()["error"]["code"], "route.cannot-carry");
}

#[test]
fn a_test_message_arrives_and_compares_as_it_was_sent() {
    let project = Project::new(vec![FakeSmtp::new()], 1);

    let said =
        project.run(&["provider", "test", "--message", "essai@exemple.org", "--keep", "sent", "--json"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let message = &said.document()["providers"][0]["message"];
    assert_eq!(message["state"], "accepted");
    let arrived = project.servers[0].messages();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].to, ["essai@exemple.org"]);
    project.write("received.eml", &String::from_utf8(arrived[0].bytes.clone()).unwrap());
    let same = project.run(&["message", "compare", "sent/first.eml", "received.eml", "--json"]);
    assert_eq!((same.exit, same.document()["in_substance"].as_u64()), (Some(0), Some(0)), "{same:?}");
    let run = message["run"].as_str().unwrap();
    let again = project.run(&["message", "compare", "received.eml", "--run", run, "--json"]);
    assert_eq!((again.exit, again.document()["differences"].as_array().unwrap().len()), (Some(0), 0));
    let sent = project.run(&["send", "release.md", "--to", "contacts.csv", "--confirm", "1", "--json"]);
    assert_eq!(sent.total("accepted"), 1, "a test message never counts as sent");
}

#[test]
fn what_was_changed_on_the_way_is_told_and_is_exit_1() {
    let project = Project::new(vec![FakeSmtp::new()], 1);
    project.run(&["provider", "test", "--message", "essai@exemple.org", "--keep", "sent"]);
    let sent = std::fs::read_to_string(project.path().join("sent/first.eml")).unwrap();
    // Subject and Reply-To as a relay may write them anew.
    let subject = sent.lines().find(|line| line.starts_with("Subject: ")).unwrap();
    project.write("received.eml", &sent.replace(subject, "Subject: Via relay"));

    let said = project.run(&["message", "compare", "sent/first.eml", "received.eml", "--json"]);
    let text = project.run(&["message", "compare", "sent/first.eml", "received.eml"]);
    let stranger = project.run(&["message", "compare", "received.eml", "--run", "no-such-run", "--json"]);
    let neither = project.run(&["message", "compare", "received.eml"]);

    assert_eq!(said.exit, Some(1), "{said:?}");
    assert_eq!(said.document()["differences"][0]["change"], "header-changed");
    assert_eq!(said.document()["differences"][0]["in_substance"], true);
    assert!(text.stdout.contains("a header was changed: Subject:"), "{text:?}");
    assert_eq!((stranger.exit, neither.exit), (Some(2), Some(2)), "{stranger:?} {neither:?}");
}

#[test]
fn a_test_message_that_is_refused_is_told_and_nothing_waits() {
    let refuses = FakeSmtp::new().rule(Rule::at(Phase::Rcpt).replies("450 4.2.1 later"));
    let project = Project::new(vec![refuses], 1);

    let said = project.run(&["provider", "test", "--message", "essai@exemple.org", "--json"]);

    assert_eq!(said.exit, Some(1), "{said:?}");
    let message = &said.document()["providers"][0]["message"];
    assert_eq!(message["state"], "cancelled");
    assert!(message["reply"].as_str().unwrap().contains("450 4.2.1"), "{message}");
}
