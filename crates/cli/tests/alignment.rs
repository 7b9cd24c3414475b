//! What depeche.toml says of a provider, and what `domain check` makes of it: never "yes" for what was not
//! assessed.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::Said;
use serde_json::Value;

/// PKCS #8 of the private key of RFC 8463, appendix A.2 (framed as RFC 8410, section 7), and its record.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
const RECORD: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

struct Checked {
    said: Said,
}

impl Checked {
    /// `[leg, the whole]` of the only provider.
    fn verdicts(&self, method: &str) -> [String; 2] {
        let document = self.said.document();
        let provider = &document["domains"][0]["providers"][0];
        let word = |value: &Value| value["aligned"].as_str().unwrap().to_owned();
        let leg = provider["legs"].as_array().unwrap().iter().find(|leg| leg["method"] == method).unwrap();
        [word(leg), word(provider)]
    }
}

/// `domain check bon.fr` with one provider in depeche.toml, over a zone.
fn check(provider: &str, zone: &str) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    write("dkim.pem", PEM);
    write(
        "bon.fr.zone",
        &format!("_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:d@bon.fr\"\n@ MX 1 mx\nmx A 192.0.2.1\n{zone}"),
    );
    write(
        "depeche.toml",
        &format!(
            "[organisation]\nname = \"Exemple SAS\"\n[from]\nname = \"Presse\"\naddress = \"presse@bon.fr\"\n\
             [press_contact]\nname = \"J\"\naddress = \"presse@bon.fr\"\nphone = \"+33 1 23 45 67 89\"\n\
             [unsubscribe]\nmailto = \"presse+stop@bon.fr\"\n[journal]\nurl = \"sqlite:journal.db\"\n\
             [[provider]]\nname = \"one\"\nkind = \"smtp\"\n{provider}\n"
        ),
    );
    let words = ["domain", "check", "bon.fr", "--zone", "bon.fr.zone", "--json", "--lang", "en"];
    let said = common::said(common::depeche().current_dir(folder.path()).args(words).output().unwrap());
    Checked { said }
}

const OVH: &str = "@ TXT \"v=spf1 ip4:192.0.2.10 -all\"\nmx.ovh.com. TXT \"v=spf1 ip4:46.105.0.0/16 ?all\"\n";

/// `bind` is what the relay sees; receivers see the relay.
#[test]
fn the_addresses_of_this_machine_are_not_those_of_the_relay() {
    let ovh = "preset = \"ovh-mxplan\"\nbind = [\"192.0.2.10\"]";
    let checked = check(ovh, OVH);
    assert_eq!(checked.verdicts("spf"), ["no", "no"]);
    assert_eq!(checked.said.exit, Some(1), "{:?}", checked.said);

    let relay = "host = \"smtp.relay.example\"\nbind = [\"192.0.2.10\"]";
    let checked = check(relay, OVH);
    assert_eq!(checked.verdicts("spf")[0], "cannot-tell", "{:?}", checked.said);
}

/// Who sends to receivers directly, or through a relay whose addresses are known, says so.
#[test]
fn the_addresses_that_the_user_says_receivers_see_decide() {
    let direct = |address: &str| format!("host = \"out.bon.fr\"\nsends_from = [\"{address}\"]");
    assert_eq!(check(&direct("192.0.2.10"), OVH).verdicts("spf"), ["yes", "yes"]);
    assert_eq!(check(&direct("192.0.2.11"), OVH).verdicts("spf")[0], "no");
    let ovh = "preset = \"ovh-exchange\"\nhost = \"ex.mail.bon.fr\"\nsends_from = [\"192.0.2.10\"]";
    assert_eq!(check(ovh, OVH).verdicts("spf"), ["yes", "yes"]);

    let slip = check(&direct("192.0.2.300"), OVH);
    assert_eq!(slip.said.exit, Some(2), "{:?}", slip.said);
}

fn dkim(keys: &str) -> Checked {
    let other = "k._domainkey TXT \"v=DKIM1; k=ed25519; p=AAqYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";
    let walked = "_dmarc.fr. TXT \"x\"\n_dmarc.net. TXT \"x\"\n_dmarc.other.net. TXT \"v=DMARC1; p=none\"\n";
    let zone = format!("@ TXT \"v=spf1 -all\"\ns1._domainkey TXT \"{RECORD}\"\n{other}{walked}");
    check(&format!("host = \"smtp.relay.example\"\ndkim = {keys}"), &zone)
}

#[test]
fn a_private_key_that_no_check_read_is_neither_yes_nor_no() {
    let key = |selector: &str, source: &str| {
        format!("{{ domain = \"bon.fr\", selector = \"{selector}\", key = {{ {source} }} }}")
    };
    let read = dkim(&key("s1", "file = \"dkim.pem\""));
    assert_eq!(read.verdicts("dkim"), ["yes", "yes"], "{:?}", read.said);
    let other = dkim(&key("k", "file = \"dkim.pem\""));
    assert_eq!(other.verdicts("dkim")[0], "no", "{:?}", other.said);

    for selector in ["s1", "k"] {
        let asked = dkim(&key(selector, "command = \"cat dkim.pem\""));
        assert_eq!(asked.verdicts("dkim")[0], "cannot-tell", "{:?}", asked.said);
    }
}

#[test]
fn a_private_key_that_is_not_there_is_an_error_that_names_its_file() {
    let missing = dkim("{ domain = \"bon.fr\", selector = \"s1\", key = { file = \"missing.pem\" } }");

    assert_eq!((missing.verdicts("dkim")[0].as_str(), missing.said.exit), ("no", Some(1)));
    let document = missing.said.document();
    let findings = document["domains"][0]["findings"].as_array().unwrap();
    let found = findings.iter().find(|one| one["id"] == "PROV-DKIM-CNAME").unwrap();
    assert_eq!(found["severity"], "error");
    assert!(found["message"].as_str().unwrap().contains("missing.pem"), "{found}");
}

#[test]
fn a_second_signature_of_the_from_domain_counts_whatever_the_first_one_signs_for() {
    let key = |domain: &str| {
        format!("{{ domain = \"{domain}\", selector = \"s1\", key = {{ file = \"dkim.pem\" }} }}")
    };
    for keys in [[key("other.net"), key("bon.fr")], [key("bon.fr"), key("other.net")]] {
        let checked = dkim(&format!("[{}]", keys.join(", ")));
        assert_eq!(checked.verdicts("dkim"), ["yes", "yes"], "{:?}", checked.said);
    }
}

/// Brevo and Mailchimp Transactional write their own return path, whatever the relay is handed.
#[test]
fn a_relay_that_replaces_the_return_path_is_not_aligned_by_the_includes_of_the_from_domain() {
    let zone = "@ TXT \"v=spf1 include:spf.brevo.com include:spf.mandrillapp.com -all\"\n\
                mail TXT \"v=spf1 include:spf.mandrillapp.com -all\"\n\
                spf.brevo.com. TXT \"v=spf1 ip4:1.179.112.0/20 -all\"\n\
                spf.mandrillapp.com. TXT \"v=spf1 ip4:198.2.128.0/18 -all\"\n";
    for preset in ["brevo-smtp", "mailchimp-transactional-smtp"] {
        let relay = format!("preset = \"{preset}\"");
        assert_eq!(check(&relay, zone).verdicts("spf"), ["no", "no"], "{preset}");
        let stated = format!("{relay}\nenvelope_from = \"rebonds@bon.fr\"");
        assert_eq!(check(&stated, zone).verdicts("spf")[0], "no", "{preset}");
    }
    // Mailchimp Transactional takes a return path below the From domain.
    let own = "preset = \"mailchimp-transactional-smtp\"\nenvelope_from = \"rebonds@mail.bon.fr\"";
    assert_eq!(check(own, zone).verdicts("spf"), ["yes", "yes"]);
}

/// A domain may hold the keys of MX Plan and send through Exchange: those do not sign this.
#[test]
fn the_keys_of_one_of_ovhs_offers_prove_nothing_for_another() {
    let keys: String = ["1", "2"]
        .map(|n| {
            format!(
                "ovhmo-selector-{n}._domainkey CNAME ovhmo-selector-{n}._domainkey.463369{n}.io.dkim.mail.ovh.net.\n\
                 ovhmo-selector-{n}._domainkey.463369{n}.io.dkim.mail.ovh.net. TXT \"{RECORD}\"\n"
            )
        })
        .concat();
    let zone = format!("@ TXT \"v=spf1 -all\"\n{keys}");
    assert_eq!(check("preset = \"ovh-mxplan\"", &zone).verdicts("dkim"), ["yes", "yes"]);
    for (preset, host) in [("ovh-exchange", "ex4.mail.ovh.net"), ("ovh-emailpro", "pro1.mail.ovh.net")] {
        let with = check(&format!("preset = \"{preset}\"\nhost = \"{host}\""), &zone);
        assert_eq!(with.verdicts("dkim")[0], "cannot-tell", "{preset}: {:?}", with.said);
        let without = check(&format!("host = \"{host}\""), &zone);
        assert_eq!(without.verdicts("dkim")[0], "cannot-tell", "{host}");
    }
}
