//! What `provider test` shows of each provider, in the user's language. With the real binary against stubs.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IDENTITY, Project};
use depeche_testkit::http::{HttpStub, Says};

/// Answers in the shapes of the providers' own descriptions.
fn says(target: &str) -> Says {
    Says::json(
        200,
        match target {
            "/v3/account" => {
                r#"{"email":"presse@exemple.fr","companyName":"Exemple","plan":[{"type":"free","credits":250}]}"#
            }
            "/v3/senders/domains" => {
                r#"{"domains":[{"domain_name":"exemple.fr","authenticated":false,"verified":true}],"count":1}"#
            }
            "/v3/senders/domains/exemple.fr" => {
                r#"{"domain":"exemple.fr","verified":true,"authenticated":false,"dns_records":{
                "dkim_record":{"host_name":"mail._domainkey","type":"TXT","value":"v=DKIM1","status":false},
                "dmarc_record":{"host_name":"_dmarc","type":"TXT","value":"v=DMARC1","status":true}}}"#
            }
            "/1.0/users/ping2" => r#"{"PING":"PONG!"}"#,
            "/1.0/users/info" => r#"{"username":"exemple","reputation":60,"hourly_quota":250,"backlog":12}"#,
            "/1.0/senders/domains" => {
                r#"[{"domain":"exemple.fr","spf":{"valid":true,"error":null},
                "dkim":{"valid":false,"error":"no record"},"valid_signing":false,"verified_at":null}]"#
            }
            "/1.0/senders/check-domain" => {
                r#"{"domain":"exemple.fr","spf":{"valid":true,"error":null},
                "dkim":{"valid":false,"error":"no record"},"valid_signing":false,"verified_at":null}"#
            }
            "/1.0/metadata/list" => "[]",
            "/3.0/ping" => r#"{"health_status":"Everything's Chimpy!"}"#,
            "/3.0/lists/a1b2c3" => r#"{"name":"Presse","stats":{"member_count":3}}"#,
            "/3.0/verified-domains" => {
                r#"{"domains":[{"domain":"exemple.fr","verified":true,"authenticated":false}]}"#
            }
            other => panic!("{other}"),
        },
    )
}

/// The three accounts in order of fallback, and a stub that answers for all.
fn accounts(contacts: usize) -> (Project, HttpStub) {
    let project = Project::new(vec![], contacts);
    let stub = project.runtime.block_on(HttpStub::start(|seen| says(&seen.target)));
    let url = stub.base_url();
    let account = |name: &str, kind: &str, base: &str, more: &str| {
        format!(
            "[[provider]]\nname = \"{name}\"\nkind = \"{kind}\"\napi_key = {{ env = \"KEY\" }}\nbase_url = \"{url}{base}\"\n{more}"
        )
    };
    let toml = [
        IDENTITY.to_owned(),
        account("brevo", "brevo", "/v3", ""),
        account("mandrill", "mailchimp-transactional", "/1.0", ""),
        account("campagne", "mailchimp-campaign", "/3.0", "audience = \"a1b2c3\"\n"),
        "[fallback]\nrequire_authenticated = false\n".to_owned(),
    ];
    project.write("depeche.toml", &toml.concat());
    (project, stub)
}

fn said(project: &Project, words: &[&str]) -> common::Said {
    let mut command = common::depeche();
    common::said(command.args(words).current_dir(project.path()).env("KEY", "geheim-us1").output().unwrap())
}

/// 250 credits at Brevo, 250 messages an hour at Mailchimp Transactional: 600 need the campaign too.
#[test]
fn plan_forecasts_with_the_quota_that_a_login_showed() {
    let (project, _stub) = accounts(600);
    let plan = ["plan", "release.md", "--to", "contacts.csv"];

    let before = said(&project, &[&plan[..], &["--json"]].concat()).document();
    said(&project, &["provider", "test"]);
    let after = said(&project, &[&plan[..], &["--json"]].concat());
    let told = said(&project, &[&plan[..], &["--lang", "fr"]].concat());

    let counts = |plan: &serde_json::Value| -> Vec<u64> {
        plan["forecast"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).collect()
    };
    assert_eq!((counts(&before), &before["quotas"]), (vec![600, 0, 0], &serde_json::json!([])));
    common::schemas::judge(&["plan", "--json"], &after.stdout);
    let after = after.document();
    assert_eq!(counts(&after), [250, 250, 100], "{}", after["quotas"]);
    let quota = |place: usize| {
        let one = &after["quotas"][place];
        (one["provider"].as_str().unwrap(), one["left"].as_u64(), one["per_hour"].as_u64())
    };
    assert_eq!((quota(0), quota(1)), (("brevo", Some(250), None), ("mandrill", None, Some(250))));
    assert!(told.stdout.contains("brevo avait encore 250 messages, à ce qu'il a dit le "), "{told:?}");
    assert!(told.stdout.contains("mandrill prend 250 messages par heure"), "{told:?}");
}

#[test]
fn a_login_shows_quota_sender_and_domains_in_the_users_language_and_sends_nothing() {
    let (project, stub) = accounts(1);
    let (english, french) = (
        said(&project, &["provider", "test", "--lang", "en"]),
        said(&project, &["provider", "test", "--lang", "fr"]),
    );

    assert_eq!((english.exit, french.exit), (Some(0), Some(0)), "{french:?}");
    for line in [
        "  credits left (free): 250",
        "  domain exemple.fr: verified, not authenticated",
        "  record dkim_record: not found: mail._domainkey TXT v=DKIM1",
        "  hourly quota: 250",
        "  reputation: 60 of 100",
        "  domain exemple.fr: not verified, SPF valid, DKIM not valid (no record)",
        "  members: 3",
    ] {
        assert!(english.stdout.lines().any(|one| one == line), "{line}\n{english:?}");
    }
    for line in [
        "  crédits restants (free) : 250",
        "  domaine exemple.fr : vérifié, non authentifié",
        "  enregistrement dkim_record : introuvable : mail._domainkey TXT v=DKIM1",
        "  enregistrement dmarc_record : trouvé : _dmarc TXT v=DMARC1",
        "  quota horaire : 250",
        "  réputation : 60 sur 100",
        "  domaine exemple.fr : non vérifié, SPF valable, DKIM non valable (no record)",
        "  état : Everything's Chimpy!",
        "  audience : Presse",
        "  membres : 3",
    ] {
        assert!(french.stdout.lines().any(|one| one == line), "{line}\n{french:?}");
    }
    let reads = |seen: &depeche_testkit::http::Seen| seen.method == "GET" || seen.target.starts_with("/1.0/");
    assert!(
        stub.seen()
            .iter()
            .all(|seen| reads(seen) && !seen.target.contains("send") || seen.target.contains("senders"))
    );
}
