//! MTA-STS: the record, the policy that its host serves, and the MX it must cover.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::Arc;

use depeche_domain::check::{DomainReport, Options, check};
use depeche_domain::dns::zone::Zone;
use depeche_domain::finding::{Finding, Severity};
use depeche_domain::mta_sts::{Document, FetchError, PolicyFetcher};
use depeche_domain::rules;
use depeche_domain::text::Text;
use jiff::Timestamp;

/// Serves one thing, to whoever asks for the right host at the right address.
#[derive(Debug)]
struct Serving(Result<Document, FetchError>);

#[async_trait::async_trait]
impl PolicyFetcher for Serving {
    async fn fetch(&self, host: &str, addresses: &[IpAddr]) -> Result<Document, FetchError> {
        assert_eq!(host, "mta-sts.exemple.fr");
        assert_eq!(addresses, ["192.0.2.80".parse::<IpAddr>().unwrap()]);
        self.0.clone()
    }
}

const RECORD: &str = "_mta-sts TXT \"v=STSv1; id=20260101\"\nmta-sts A 192.0.2.80\n";
const POLICY: &str =
    "version: STSv1\nmode: enforce\nmx: mx1.mail.ovh.net\nmx: *.backup.example\nmax_age: 1209600\n";

fn plain(body: &str) -> Result<Document, FetchError> {
    Ok(Document { content_type: "text/plain; charset=utf-8".to_owned(), body: body.as_bytes().to_vec() })
}

async fn report(records: &str, policies: Option<Arc<dyn PolicyFetcher>>) -> DomainReport {
    let zone = format!("@ MX 1 mx1.mail.ovh.net.\n@ MX 5 mx.backup.example.\n{records}");
    let zone = Zone::parse(&zone, "exemple.fr").unwrap();
    let options = Options { policies, ..Options::default() };
    check(&zone, "exemple.fr", &[], &options, Timestamp::UNIX_EPOCH).await.unwrap()
}

async fn serving(what: Result<Document, FetchError>) -> DomainReport {
    report(RECORD, Some(Arc::new(Serving(what)))).await
}

fn of<'a>(report: &'a DomainReport, id: &str) -> Vec<&'a Finding> {
    report.findings.iter().filter(|finding| finding.id == id).collect()
}

fn about_sts(report: &DomainReport) -> Vec<(&'static str, Severity)> {
    let ours = report.findings.iter().filter(|finding| finding.id.starts_with("MTA-STS"));
    ours.map(|finding| (finding.id, finding.severity)).collect()
}

#[tokio::test]
async fn a_policy_that_covers_every_exchanger_is_not_worth_a_word() {
    assert_eq!(about_sts(&serving(plain(POLICY)).await), []);
}

#[tokio::test]
async fn an_exchanger_that_an_enforced_policy_leaves_out_is_an_error_that_names_it() {
    let without = POLICY.replace("mx: *.backup.example\n", "");
    let enforced = serving(plain(&without)).await;

    assert_eq!(about_sts(&enforced), [(rules::MTA_STS_MX, Severity::Error)]);
    let finding = of(&enforced, rules::MTA_STS_MX)[0];
    for text in [&finding.message.en, &finding.message.fr, &finding.fix.as_ref().unwrap().en] {
        assert!(text.contains("mx.backup.example") && !text.contains("mx1.mail.ovh.net"), "{text}");
    }

    // In mode testing mail still arrives.
    let testing = serving(plain(&without.replace("enforce", "testing"))).await;
    assert_eq!(
        about_sts(&testing),
        [(rules::MTA_STS_MX, Severity::Warn), (rules::MTA_STS_MODE, Severity::Info)]
    );
    let none = serving(plain(&without.replace("enforce", "none"))).await;
    assert_eq!(about_sts(&none), [(rules::MTA_STS_MODE, Severity::Info)]);
}

#[tokio::test]
async fn a_policy_that_senders_ignore_is_a_warning_and_asks_for_nothing_else() {
    let html = Ok(Document { content_type: "text/html".to_owned(), body: POLICY.as_bytes().to_vec() });
    for what in [
        html,
        plain(&POLICY.replace("STSv1", "STSv2")),
        plain(&POLICY.replace("mx1.mail.ovh.net", "*")),
        plain(&POLICY.replace("max_age: 1209600", "max_age: 1000000000")),
        Err(FetchError::Status(404)),
        Err(FetchError::Redirect(302)),
        Err(FetchError::TooLong),
        Err(FetchError::Certificate(Text::same("expired"))),
    ] {
        let report = serving(what.clone()).await;

        assert_eq!(about_sts(&report), [(rules::MTA_STS_POLICY, Severity::Warn)], "{what:?}");
        assert!(!report.is_inconclusive, "{what:?}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_not_checked_and_never_without_a_policy() {
    for error in [FetchError::Unanswered(Text::same("refused")), FetchError::Status(503)] {
        let report = serving(Err(error)).await;

        assert_eq!(about_sts(&report), []);
        let open = of(&report, rules::DNS_UNCHECKED);
        assert!(open.iter().any(|finding| finding.message.en.contains("MTA-STS")), "{open:?}");
        assert!(report.is_inconclusive);
    }
}

#[tokio::test]
async fn nobody_to_fetch_the_policy_is_said_and_neither_right_nor_wrong() {
    let report = report(RECORD, None).await;

    assert_eq!(about_sts(&report), [(rules::MTA_STS_POLICY, Severity::Info)]);
    assert!(of(&report, rules::MTA_STS_POLICY)[0].message.en.contains("not fetched"));
}

#[tokio::test]
async fn a_record_that_senders_ignore_is_not_followed() {
    let never: Arc<dyn PolicyFetcher> = Arc::new(Serving(Err(FetchError::Status(418))));
    for records in [
        "_mta-sts TXT \"v=STSv1;\"\nmta-sts A 192.0.2.80\n",
        "_mta-sts TXT \"v=STSv1; id=a-b\"\nmta-sts A 192.0.2.80\n",
        "_mta-sts TXT \"v=STSv1; id=1\"\n_mta-sts TXT \"v=STSv1; id=2\"\nmta-sts A 192.0.2.80\n",
        "_mta-sts TXT \"v=STSv1; id=1\"\n",
    ] {
        let report = report(records, Some(Arc::clone(&never))).await;
        assert_eq!(about_sts(&report), [(rules::MTA_STS, Severity::Warn)], "{records}");
    }
    assert_eq!(about_sts(&report("", Some(never)).await), [(rules::MTA_STS, Severity::Info)]);
}

#[cfg(feature = "https")]
mod over_the_wire {
    use std::time::Duration;

    use depeche_domain::mta_sts::MAX_POLICY_BYTES;
    use depeche_domain::mta_sts::https::HttpsFetcher;
    use depeche_testkit::http::{HttpStub, Says};
    use depeche_testkit::tls::TestCa;

    use super::*;

    const HOST: &str = "mta-sts.exemple.fr";

    fn says(status: u16, content_type: &str, body: &[u8]) -> Says {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Says::Answer { status, headers, body: body.to_vec() }
    }

    fn port(stub: &HttpStub) -> u16 {
        stub.base_url().rsplit_once(':').unwrap().1.parse().unwrap()
    }

    async fn fetch(says: Says) -> (Result<Document, FetchError>, Vec<String>) {
        let ca = TestCa::new();
        let stub = HttpStub::start_tls(ca.server(&[HOST]), move |_| says.clone()).await;
        let fetcher = HttpsFetcher::new().at_port(port(&stub)).trusting(&ca.pem()).unwrap();
        let fetched = fetcher.fetch(HOST, &["127.0.0.1".parse().unwrap()]).await;
        (fetched, stub.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect())
    }

    #[tokio::test]
    async fn one_request_brings_the_policy() {
        let (fetched, asked) = fetch(says(200, "text/plain", POLICY.as_bytes())).await;

        assert_eq!(fetched, plain_as("text/plain"));
        assert_eq!(asked, ["GET /.well-known/mta-sts.txt"]);
    }

    fn plain_as(content_type: &str) -> Result<Document, FetchError> {
        Ok(Document { content_type: content_type.to_owned(), body: POLICY.as_bytes().to_vec() })
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let to = "/.well-known/mta-sts.txt";
        let (fetched, asked) = fetch(says(302, "text/plain", b"").with("Location", to)).await;

        assert_eq!(fetched, Err(FetchError::Redirect(302)));
        assert_eq!(asked.len(), 1);
    }

    #[tokio::test]
    async fn more_than_64_kib_are_not_read() {
        let (fetched, _) = fetch(Says::Endless { status: 200 }).await;
        assert_eq!(fetched, Err(FetchError::TooLong));

        let (fetched, _) = fetch(says(200, "text/plain", &vec![b'x'; MAX_POLICY_BYTES])).await;
        assert_eq!(fetched.unwrap().body.len(), MAX_POLICY_BYTES);
    }

    #[tokio::test]
    async fn another_status_is_told_and_a_lost_line_leaves_it_open() {
        assert_eq!(fetch(says(404, "text/plain", b"")).await.0, Err(FetchError::Status(404)));
        for lost in [Says::Close, Says::Garbage(b"hello\r\n".to_vec())] {
            assert!(matches!(fetch(lost).await.0, Err(FetchError::Unanswered(_))));
        }
    }

    #[tokio::test]
    async fn a_certificate_for_another_host_or_of_nobody_known_is_refused() {
        let ca = TestCa::new();
        let address = ["127.0.0.1".parse().unwrap()];
        for (config, trusted) in [
            (ca.server(&["exemple.fr"]), true),
            (ca.expired_server(&[HOST]), true),
            (ca.server(&[HOST]), false),
        ] {
            let stub = HttpStub::start_tls(config, |_| says(200, "text/plain", POLICY.as_bytes())).await;
            let mut fetcher = HttpsFetcher::new().at_port(port(&stub));
            if trusted {
                fetcher = fetcher.trusting(&ca.pem()).unwrap();
            }

            let fetched = fetcher.fetch(HOST, &address).await;

            assert!(matches!(fetched, Err(FetchError::Certificate(_))), "{fetched:?}");
            assert!(stub.seen().is_empty());
        }
    }

    #[tokio::test]
    async fn nobody_at_the_address_leaves_it_open() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let fetcher = HttpsFetcher::new().at_port(closed);
        let address = ["127.0.0.1".parse().unwrap()];
        let fetched = tokio::time::timeout(Duration::from_secs(5), fetcher.fetch(HOST, &address));

        assert!(matches!(fetched.await.unwrap(), Err(FetchError::Unanswered(_))));
    }
}
