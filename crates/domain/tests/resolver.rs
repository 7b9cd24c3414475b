//! The resolver against a server that misbehaves in every way a server can.

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

use std::time::Duration;

use depeche_domain::dns::resolver::Resolver;
use depeche_domain::dns::{Dns, RecordType, Status};
use depeche_testkit::dns::{DnsServer, FakeDns, Fault};

const PATIENCE: Duration = Duration::from_millis(200);

fn resolver(server: &DnsServer) -> Resolver {
    Resolver::at(server.address()).with_patience(PATIENCE, PATIENCE)
}

#[tokio::test]
async fn every_way_of_not_answering_is_told_apart() {
    let cases = [
        (Fault::Silent, Status::Timeout),
        (Fault::ServFail, Status::ServFail),
        (Fault::Refused, Status::Refused),
        (Fault::Garbage, Status::Malformed),
        (Fault::WrongId, Status::Timeout),
    ];
    for (fault, expected) in cases {
        let server = FakeDns::new().fault("x.example.org", fault).start().await;

        let answer = resolver(&server).lookup("x.example.org", RecordType::Txt).await;

        assert_eq!(answer.status, expected, "{fault:?}");
        assert!(answer.status.is_temporary());
    }
}

#[tokio::test]
async fn no_such_name_and_no_such_record_are_two_answers() {
    let server = FakeDns::new().a("a.b.example.org", [192, 0, 2, 1].into()).start().await;
    let resolver = resolver(&server);

    assert_eq!(resolver.lookup("a.b.example.org", RecordType::Txt).await.status, Status::NoData);
    assert_eq!(resolver.lookup("b.example.org", RecordType::A).await.status, Status::NoData);
    assert_eq!(resolver.lookup("c.example.org", RecordType::A).await.status, Status::NxDomain);
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_over_tcp() {
    let string = "x".repeat(255);
    let strings = vec![string.as_str(); 200];
    let server = FakeDns::new()
        .txt("big.example.org", &strings)
        .txt("cut.example.org", &["small"])
        .fault("cut.example.org", Fault::Truncated)
        .start()
        .await;
    let resolver = resolver(&server);

    let big = resolver.lookup("big.example.org", RecordType::Txt).await;
    let cut = resolver.lookup("cut.example.org", RecordType::Txt).await;

    assert_eq!(big.joined_texts()[0].len(), 255 * 200);
    assert_eq!(cut.joined_texts(), [b"small".to_vec()]);
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn aliases_are_followed_eight_times_and_not_nine() {
    let mut dns = FakeDns::new().txt("end.example.org", &["here"]);
    for hop in 1..=9 {
        let target =
            if hop == 1 { "end.example.org".to_owned() } else { format!("h{}.example.org", hop - 1) };
        dns = dns.cname(&format!("h{hop}.example.org"), &target);
    }
    let server = dns.cname("loop.example.org", "loop.example.org").start().await;
    let resolver = resolver(&server);

    let eight = resolver.lookup("h8.example.org", RecordType::Txt).await;
    assert_eq!((eight.status, eight.aliases.len()), (Status::Found, 8));
    assert_eq!(resolver.lookup("h9.example.org", RecordType::Txt).await.status, Status::AliasLoop);
    assert_eq!(resolver.lookup("loop.example.org", RecordType::Txt).await.status, Status::AliasLoop);
}

#[tokio::test]
async fn an_alias_to_nowhere_says_where_it_leads() {
    let server = FakeDns::new().cname("k2._domainkey.example.org", "gone.mcsv.net").start().await;

    let answer = resolver(&server).lookup("k2._domainkey.example.org", RecordType::Txt).await;

    assert_eq!((answer.status, answer.final_alias()), (Status::NxDomain, Some("gone.mcsv.net")));
}
