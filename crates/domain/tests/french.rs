//! What a parser finds is told in French to French readers: each of its details, not only the finding around
//! it. The texts are faults of every kind that the parsers know; a word that only English has gives one away.

use depeche_domain::dkim::{KeyRecord, Signature, SignatureError};
use depeche_domain::mta_sts::FetchError;
use depeche_domain::text::Text;
use depeche_domain::{bimi, dmarc, dns, mta_sts, spf, tls_rpt};

/// Words of the language that French does not have. Names of tags and examples hold none of them.
const ENGLISH: [&str; 44] = [
    "the", "is", "are", "not", "must", "may", "of", "and", "a", "an", "it", "its", "with", "without", "has",
    "have", "no", "cannot", "be", "read", "which", "that", "this", "where", "twice", "once", "only", "tag",
    "key", "value", "never", "closed", "missing", "address", "name", "look-up", "record", "too", "much",
    "more", "than", "was", "stands", "holds",
];

fn assert_french(text: &Text, of: &str) {
    assert!(!text.fr.is_empty() && !text.en.is_empty(), "{of}");
    assert_ne!(text.fr, text.en, "{of}");
    // What is quoted from a record or an example stands as it is.
    let mut told = String::new();
    for (at, part) in text.fr.split('«').enumerate() {
        told.push_str(if at == 0 { part } else { part.split_once('»').map_or("", |(_, after)| after) });
    }
    let words = told.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '\'' || c == '’'));
    // « il n'y a », « a » and « an » are French as well; an apostrophe joins a French word to the next.
    let english: Vec<&str> =
        words.filter(|word| ENGLISH.contains(word) && !["a", "an"].contains(word)).collect();
    assert!(english.is_empty(), "{of}: {english:?} in: {}", text.fr);
}

#[test]
fn whatever_is_wrong_with_an_spf_record_is_told_in_french() {
    let mut found = 0;
    for term in [
        "incldue:a.example",
        "ipv4:192.0.2.1",
        "192.0.2.1",
        "ip4",
        "ip6",
        "ip4:192.0.2.0/33",
        "ip4:300.0.0.1",
        "ip6:2001:db8::/129",
        "ip6:zz",
        "a/33",
        "a//129",
        "a/24x",
        "mx:a.example/99",
        "a:",
        "include",
        "include:",
        "include:x",
        "include:a..example",
        "include:%",
        "include:%{",
        "include:%{x}.example",
        "include:%{c}.example",
        "include:%{d0}",
        "include:%{d1!}",
        "include:%{d}x",
        "exists",
        "exists:a b\t",
        "all:x",
        "ptr/24",
        "re!direct=a.example",
        "redirect=a.example redirect=b.example",
        "exp=a.example exp=b.example",
        "unknown=%{",
        "é",
    ] {
        let record = spf::parse(format!("v=spf1 {term} -all").as_bytes());
        for error in &record.errors {
            found += 1;
            assert_french(&error.message, term);
        }
    }
    assert!(found >= 32, "only {found}");
    assert_french(&spf::parse(b"v=spf2").errors[0].message, "v=spf2");
}

#[test]
fn whatever_is_wrong_with_a_dmarc_record_is_told_in_french() {
    let many = "x=1;".repeat(70);
    let mut found = 0;
    for tags in [
        "p=rejct",
        "sp=x",
        "np=x",
        "t=x",
        "psd=x",
        "adkim=x",
        "aspf=x",
        "fo=x",
        "pct=50",
        "rf=afrf",
        "ri=1",
        "x=1",
        "oops",
        "p=none;p=none",
        "rua=a@b",
        "ruf=mailto:x",
        &many,
    ] {
        let record = dmarc::parse(format!("v=DMARC1; {tags}").as_bytes());
        assert!(!record.issues.is_empty(), "{tags}");
        for issue in &record.issues {
            found += 1;
            assert_french(&issue.message, tags);
        }
    }
    assert!(found >= 17, "only {found}");
}

#[test]
fn whatever_is_wrong_with_a_dkim_key_is_told_in_french() {
    // An RSA key of 1024 bits and one of 512, in DER behind base64 (RFC 8463, appendix A.2, and cut from it).
    const RSA: &str = "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    let texts = [
        "v=DKIM1; p=",
        "v=DKIM1",
        "v=DKIM1; p=%%%",
        "v=DKIM1; p=AAAA",
        "v=DKIM1; p=MAA=",
        "v=DKIM1; p=MIGf",
        "v=DKIM1; p=MAAA",
        "v=DKIM1; p=MIQAAAAA",
        "v=DKIM1; p=MAUwAwYBAA==",
        "v=DKIM1; k=ed25519; p=AAAA",
        "v=DKIM1; k=dsa; p=AAAA",
        "v=DKIM1; oops; p=AAAA",
    ];
    let rsa = [
        "v=DKIM2;",
        "k=rsa; v=DKIM1;",
        "t=y;",
        "h=sha1;",
        "h=sha1:sha256;",
        "s=tlsrpt;",
        "g=*;",
        "k=rsa; k=rsa;",
    ];
    let texts = texts.map(str::to_owned).into_iter().chain(rsa.map(|tags| format!("{tags} {RSA}")));
    let (mut found, mut kinds) = (0, Vec::new());
    for text in texts {
        for issue in KeyRecord::parse(text.as_bytes()).issues {
            found += 1;
            assert_french(&issue.message, &text);
            if !kinds.contains(&issue.kind) {
                kinds.push(issue.kind);
            }
        }
    }
    assert!(found >= 20 && kinds.len() >= 12, "{found}: {kinds:?}");
}

#[test]
fn whatever_is_wrong_with_a_signature_is_told_in_french() {
    let all = [
        SignatureError::Missing("s"),
        SignatureError::Value { tag: "d".to_owned(), value: "x".to_owned() },
        SignatureError::Version("2".to_owned()),
        SignatureError::Algorithm("rsa-md5".to_owned()),
        SignatureError::FromNotSigned,
        SignatureError::Identity { identity: "@b.example".to_owned(), domain: "a.example".to_owned() },
        SignatureError::Query("http".to_owned()),
        SignatureError::ExpiresTooEarly,
    ];
    let syntax = Signature::parse("v=1; v=1").unwrap_err();
    for error in all.into_iter().chain([syntax]) {
        assert_french(&error.text(), &error.to_string());
        assert_eq!(error.text().en, error.to_string());
    }
}

#[test]
fn whatever_is_wrong_with_a_zone_file_is_told_in_french() {
    let long = format!("a TXT \"{}\"", "x".repeat(300));
    for text in [
        "$ORIGIN",
        "$TTL",
        "$TTL x",
        "$INCLUDE x",
        " A 192.0.2.1",
        "a",
        "a A",
        "a A 192.0.2.300",
        "a AAAA zz",
        "a MX",
        "a MX x y",
        "a MX 10",
        "a CNAME",
        "a CNAME b..c",
        "a TXT",
        &long,
        "a NOTHING x",
        "a A 192.0.2.1 x",
        "a SOA b c x 1 1 1 1",
        "a SOA b c 1 x 1 1 1",
        "a SOA b c 1 1 x 1 1",
        "a SOA b c 1 1 1 x 1",
        "a SOA b c 1 1 1 1 x",
        "a SOA b c 1",
        "a TXT ( \"x\"",
        "a TXT \"x",
    ] {
        let error = dns::zone::Zone::parse(text, "example.org").unwrap_err();
        for problem in &error.problems {
            assert_french(&problem.message, text);
        }
    }
}

#[test]
fn whatever_is_wrong_with_mta_sts_tls_rpt_and_bimi_is_told_in_french() {
    for error in [
        FetchError::Status(404),
        FetchError::Redirect(301),
        FetchError::TooLong,
        FetchError::Certificate(Text { en: "it has expired".to_owned(), fr: "il a expiré".to_owned() }),
        FetchError::Unanswered(Text { en: "not within 9 s".to_owned(), fr: "pas en 9 s".to_owned() }),
    ] {
        assert_french(&error.text(), &error.to_string());
    }
    for body in [
        "",
        "version: STSv2",
        "version: STSv1\nmode: x",
        "version: STSv1\nmode: enforce\nmx: *.*\nmax_age: x",
        "oops",
        "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 60",
        "mx: -",
        "version: STSv1\n\u{e9}: x",
        "version: STSv1\nmode: testing\nmx: a.example\nmax_age: 99999999999",
    ] {
        let policy = mta_sts::parse(body.as_bytes());
        assert!(!policy.issues.is_empty(), "{body:?}");
        policy.issues.iter().for_each(|issue| assert_french(&issue.message, body));
    }
    for text in ["v=STSv1", "v=STSv1; id=", "v=STSv1; id=é;", "v=STSv1; id=1; id=2"] {
        mta_sts::judge(text).iter().for_each(|issue| assert_french(&issue.message, text));
    }
    for text in [
        "v=TLSRPTv1",
        "v=TLSRPTv1; rua=",
        "v=TLSRPTv1; rua=ftp://x",
        "v=TLSRPTv1; x",
        "v=TLSRPTv1; rua=mailto:x",
    ] {
        tls_rpt::parse(text).issues.iter().for_each(|issue| assert_french(&issue.message, text));
    }
    for text in [
        "v=BIMI1",
        "v=BIMI1; l=http://x",
        "v=BIMI1; l=https://x/y.png",
        "v=BIMI1; x",
        "v=BIMI1; l=; a=https://x",
    ] {
        bimi::parse(text).issues.iter().for_each(|issue| assert_french(&issue.message, text));
    }
}

#[tokio::test]
async fn whatever_ends_an_spf_evaluation_is_told_in_french() {
    let exchangers: String = (0..11).map(|n| format!("@ MX {n} m{n}.example.org.\n")).collect();
    let includes: String = (0..11).map(|n| format!(" a:h{n}.example.org")).collect();
    let hosts: String = (0..11).map(|n| format!("h{n} A 192.0.2.9\n")).collect();
    for (zone, end) in [
        ("@ TXT \"v=spf1 incldue:x.example -all\"\n".to_owned(), "a mechanism"),
        ("@ TXT \"v=spf1 -all\"\n@ TXT \"v=spf1 ~all\"\n".to_owned(), "it may have one"),
        ("@ TXT \"v=spf1 include:none.example.org -all\"\nnone TXT \"x\"\n".to_owned(), "has no SPF record"),
        ("@ TXT \"v=spf1 redirect=none.example.org\"\nnone TXT \"x\"\n".to_owned(), "has no SPF record"),
        (format!("@ TXT \"v=spf1 mx -all\"\n{exchangers}"), "looks at 10"),
        (format!("@ TXT \"v=spf1{includes} -all\"\n{hosts}"), "are allowed"),
        (
            "@ TXT \"v=spf1 a:x.example.org a:y.example.org a:z.example.org -all\"\n".to_owned(),
            "finds nothing",
        ),
    ] {
        let dns = dns::zone::Zone::parse(&zone, "example.org").unwrap();
        let request = spf::Request::new("192.0.2.1".parse().unwrap(), "a@example.org", "mail.example.org");
        let verdict = spf::check_host(&dns, &request).await;

        let problem = verdict.problem.unwrap_or_else(|| panic!("{zone}"));
        assert!(problem.message.en.contains(end), "{zone}: {}", problem.message.en);
        assert_french(&problem.message, &zone);
        for (_, term) in spf::audit(&dns, "example.org").await.flat() {
            term.problem.iter().for_each(|problem| assert_french(problem, &zone));
        }
    }
}
