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

#[test]
fn a_login_shows_quota_sender_and_domains_in_the_users_language_and_sends_nothing() {
    let project = Project::new(vec![], 1);
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
    ];
    project.write("depeche.toml", &toml.concat());
    let said = |lang: &str| {
        let mut command = common::depeche();
        command.args(["provider", "test", "--lang", lang]).current_dir(project.path());
        common::said(command.env("KEY", "geheim-us1").output().unwrap())
    };

    let (english, french) = (said("en"), said("fr"));

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
