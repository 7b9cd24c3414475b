//! DELIVERY.md as a table: for each phase and each event exactly one outcome.
//!
//! Every event happens at every phase, with and without PIPELINING, against real sockets. The table
//! is [`expected`]; its words are those of DELIVERY.md, "SMTP, proved not accepted … Unknown".

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use depeche_core::outcome::{Blame, DoubtCause, Outcome, Persistence, Trouble};
use depeche_core::provider::Parcel;
use depeche_providers::smtp::{SmtpConfig, Tls};
use depeche_testkit::conformance::{RecordingCommit, parcel_to};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule, TlsMode};
use depeche_testkit::tls::TestCa;
use futures_util::stream::{self, StreamExt};

use crate::support::{SHORT, attempt, ca_file, config, login, wired};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Accepted,
    /// Refused, blames the provider.
    Provider(Trouble),
    /// Refused, blames the recipient for good, not a bad address.
    Recipient,
    /// Refused, and the address is bad.
    BadAddress,
    /// Refused, blames the message.
    Message,
    Unknown(DoubtCause),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Closed,
    Reset,
    Silence,
    LateWithinTheDeadline,
    LateBeyondTheDeadline,
    OneByteNowAndThen,
    Garbage,
    BareLineFeed,
    LineOf70Kilobytes,
    EndlessReply,
    HalfAReplyThenClosed,
    OneReplyTooMany,
    TwoCodesInOneReply,
    Says421,
    Says451,
    Says550,
    SaysBadAddress,
    Says221,
    Says250,
    Says354,
}

use Event::{
    BareLineFeed, Closed, EndlessReply, Garbage, HalfAReplyThenClosed, LateBeyondTheDeadline,
    LateWithinTheDeadline, LineOf70Kilobytes, OneByteNowAndThen, OneReplyTooMany, Reset, Says221, Says250,
    Says354, Says421, Says451, Says550, SaysBadAddress, Silence, TwoCodesInOneReply,
};

const EVENTS: [Event; 20] = [
    Closed,
    Reset,
    Silence,
    LateWithinTheDeadline,
    LateBeyondTheDeadline,
    OneByteNowAndThen,
    Garbage,
    BareLineFeed,
    LineOf70Kilobytes,
    EndlessReply,
    HalfAReplyThenClosed,
    OneReplyTooMany,
    TwoCodesInOneReply,
    Says421,
    Says451,
    Says550,
    SaysBadAddress,
    Says221,
    Says250,
    Says354,
];

const PHASES: [Phase; 11] = [
    Phase::Connect,
    Phase::Banner,
    Phase::Ehlo,
    Phase::StartTls,
    Phase::Handshake,
    Phase::Auth,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Body(1000),
    Phase::FinalDot,
];

/// What must come of it. `None`: the event makes no sense there.
fn expected(phase: Phase, event: Event) -> Option<Is> {
    use Trouble::{Credentials, Fault, Sender, Throttled, Unreachable};
    let provider = |trouble| Some(Is::Provider(trouble));
    let unknown = |cause| Some(Is::Unknown(cause));
    match (phase, event) {
        // Before the greeting the server says nothing of its own; what it says all the same is read
        // as the greeting.
        (Phase::Connect, Closed | Reset | Silence | LateBeyondTheDeadline) => provider(Unreachable),
        (Phase::Connect, LateWithinTheDeadline) => Some(Is::Accepted),
        (Phase::Connect, _) => None,

        // Whatever breaks the handshake is TLS.
        (Phase::Handshake, LateWithinTheDeadline) => Some(Is::Accepted),
        (
            Phase::Handshake,
            Closed | Reset | Silence | LateBeyondTheDeadline | Garbage | LineOf70Kilobytes | EndlessReply,
        ) => provider(Trouble::Tls),
        (Phase::Handshake, _) => None,

        // The body: any byte before the terminator is out of turn; a lost line proves that the
        // message was not whole. A server that only falls silent gets the terminator.
        (Phase::Body(_), Closed | Reset) => provider(Unreachable),
        (Phase::Body(_), LateWithinTheDeadline) => Some(Is::Accepted),
        (Phase::Body(_), Silence) => unknown(DoubtCause::TimedOut),
        // Reading late is no answer: how much of it the kernel hides is not ours to say.
        (Phase::Body(_), HalfAReplyThenClosed | LateBeyondTheDeadline) => None,
        (Phase::Body(_), _) => provider(Fault),

        // After the dot: only an explicit answer counts.
        (Phase::FinalDot, Closed | Reset | HalfAReplyThenClosed) => unknown(DoubtCause::LineLost),
        (Phase::FinalDot, Silence | LateBeyondTheDeadline | OneByteNowAndThen) => {
            unknown(DoubtCause::TimedOut)
        }
        (
            Phase::FinalDot,
            Garbage | BareLineFeed | LineOf70Kilobytes | EndlessReply | TwoCodesInOneReply | Says221
            | Says354,
        ) => unknown(DoubtCause::Unclear),
        (Phase::FinalDot, LateWithinTheDeadline | OneReplyTooMany | Says250) => Some(Is::Accepted),
        (Phase::FinalDot, Says550) => Some(Is::Message),
        (Phase::FinalDot, SaysBadAddress) => Some(Is::BadAddress),

        // Before: everything proves that nothing was accepted.
        (_, Closed | Reset | Silence | LateBeyondTheDeadline | OneByteNowAndThen | HalfAReplyThenClosed) => {
            provider(Unreachable)
        }
        (
            _,
            Garbage | BareLineFeed | LineOf70Kilobytes | EndlessReply | OneReplyTooMany | TwoCodesInOneReply
            | Says221,
        ) => provider(Fault),
        (_, LateWithinTheDeadline) => Some(Is::Accepted),
        (_, Says421) => provider(Throttled),
        (Phase::StartTls, Says451 | Says550 | SaysBadAddress) => provider(Trouble::Tls),
        (_, Says451) => provider(Fault),
        (Phase::Auth, Says550 | SaysBadAddress) => provider(Credentials),
        (Phase::Mail, Says550 | SaysBadAddress) => provider(Sender),
        (Phase::Rcpt, Says550) => Some(Is::Recipient),
        (Phase::Rcpt, SaysBadAddress) => Some(Is::BadAddress),
        (_, Says550 | SaysBadAddress) => provider(Fault),
        // 250 where it belongs; a protocol fault elsewhere, to DATA above all.
        (Phase::Mail | Phase::Rcpt, Says250) => Some(Is::Accepted),
        (Phase::Ehlo, Says250) => None,
        (_, Says250) => provider(Fault),
        (Phase::Data, Says354) => Some(Is::Accepted),
        // The fake asks for nothing more; what follows there is no login.
        (_, Says354) => provider(Fault),
    }
}

fn fault(event: Event) -> Fault {
    match event {
        Closed => Fault::Close,
        Reset => Fault::Reset,
        Silence => Fault::Silence,
        LateWithinTheDeadline => Fault::Late(SHORT / 6),
        LateBeyondTheDeadline => Fault::Late(SHORT * 6),
        OneByteNowAndThen => Fault::Drip(SHORT / 3),
        Garbage => Fault::Garbage,
        BareLineFeed => Fault::Raw(b"250 2.0.0 ok\n".to_vec()),
        LineOf70Kilobytes => Fault::LongLine(70_000),
        EndlessReply => Fault::Endless,
        HalfAReplyThenClosed => Fault::ReplyThenClose("250-and".to_owned()),
        OneReplyTooMany => Fault::FollowedBy("250 2.0.0 Ok: queued as WRONG\r\n".to_owned()),
        TwoCodesInOneReply => Fault::Reply("250-yes\r\n550 no".to_owned()),
        Says421 => Fault::ReplyThenClose("421 closing".to_owned()),
        Says451 => Fault::Reply("451 4.3.0 local problem".to_owned()),
        Says550 => Fault::Reply("550 no".to_owned()),
        SaysBadAddress => Fault::Reply("550 5.1.1 no such user".to_owned()),
        Says221 => Fault::Reply("221 2.0.0 bye".to_owned()),
        Says250 => Fault::Reply("250 2.0.0 fine".to_owned()),
        Says354 => Fault::Reply("354 go ahead".to_owned()),
    }
}

fn class(outcome: &Outcome) -> Option<Is> {
    Some(match outcome {
        Outcome::Accepted(_) => Is::Accepted,
        Outcome::Unknown(doubt) => Is::Unknown(doubt.cause),
        Outcome::Refused(refusal) => match (refusal.blames, refusal.trouble, refusal.persistence) {
            (Blame::Provider, Some(trouble), _) => Is::Provider(trouble),
            (Blame::Recipient, None, Persistence::Permanent) if refusal.bad_address => Is::BadAddress,
            (Blame::Recipient, None, Persistence::Permanent) => Is::Recipient,
            (Blame::Message, None, _) => Is::Message,
            _ => return None,
        },
        _ => return None,
    })
}

/// A body that no socket buffer holds, so that the server has its say while it is under way.
fn large(parcel: Parcel) -> Parcel {
    let line = Bytes::from("Une ligne de soixante-douze octets, ni plus ni moins, comme il se doit.\r\n");
    let mut message = (*parcel.message).clone();
    message.mime.segments.extend(std::iter::repeat_n(line, 12 * 1024 * 1024 / 72));
    Parcel { message: Arc::new(message), ..parcel }
}

struct Case {
    phase: Phase,
    event: Event,
    is_pipelined: bool,
    expected: Is,
}

/// Runs one case; says what is wrong with it.
async fn run(case: &Case, ca: &TestCa, ca_path: &std::path::Path) -> Result<(), String> {
    let mut script = FakeSmtp::new().rule(Rule::at(case.phase).does(fault(case.event)));
    if !case.is_pipelined {
        script = script.without("PIPELINING");
    }
    let identity = ca.server(&["127.0.0.1"]);
    let tls = match case.phase {
        // Noise right behind the STARTTLS reply would be "out of turn"; under implicit TLS it is not.
        Phase::Handshake if matches!(case.event, Garbage | LineOf70Kilobytes | EndlessReply) => {
            script = script.tls(TlsMode::Implicit(identity));
            Tls::Implicit
        }
        Phase::StartTls | Phase::Handshake => {
            script = script.tls(TlsMode::StartTls(identity));
            Tls::StartTls
        }
        _ => Tls::None,
    };
    if case.phase == Phase::Auth {
        script = script.login("presse", "secret");
    }
    let is_body = matches!(case.phase, Phase::Body(_));
    if is_body {
        script = script.without("SIZE");
    }
    let server = script.start().await;
    let provider = wired(SmtpConfig {
        tls,
        ca_file: (tls != Tls::None).then(|| ca_path.to_owned()),
        credentials: if case.phase == Phase::Auth { login("presse", "secret") } else { None },
        ..config(&server)
    });
    let parcel = parcel_to("ana@journal.example");
    let parcel = if is_body { large(parcel) } else { parcel };
    let commit = RecordingCommit::granting();

    let outcome = attempt(&provider, &parcel, &commit).await;

    let record = server.record();
    let mut wrong = Vec::new();
    if class(&outcome) != Some(case.expected) {
        wrong.push(format!("expected {:?}, found {outcome:?}", case.expected));
    }
    let after_intent =
        matches!(case.phase, Phase::Body(_) | Phase::FinalDot) || case.expected == Is::Accepted;
    if commit.intents() != u64::from(after_intent) {
        wrong.push(format!("{} intents", commit.intents()));
    }
    if commit.intents() == 0 && record.body_bytes > 0 {
        wrong.push(format!("{} body bytes without an intent", record.body_bytes));
    }
    // Whatever the server took with a yes must not be on its way to another provider.
    let was_taken = !server.accepted().is_empty();
    if was_taken && matches!(outcome, Outcome::Refused(_) | Outcome::NotStarted(_)) {
        wrong.push("the server took it, and the provider denies it".to_owned());
    }
    if matches!(outcome, Outcome::Accepted(_)) && !was_taken {
        wrong.push("the provider says accepted, and the server did not take it".to_owned());
    }
    if record.messages.len() > 1 || record.begun > 1 {
        wrong.push(format!("{} messages were begun: an attempt repeats itself", record.begun));
    }
    let name = format!("{:?} {:?} pipelined={}", case.phase, case.event, case.is_pipelined);
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name}: {}", wrong.join("; "))) }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for phase in PHASES {
        for event in EVENTS {
            for is_pipelined in [true, false] {
                cases.extend(expected(phase, event).map(|expected| Case {
                    phase,
                    event,
                    is_pipelined,
                    expected,
                }));
            }
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_phase_and_each_event_have_exactly_one_outcome() {
    let ca = TestCa::new();
    let file = ca_file(&ca);
    let cases = cases();
    let mut per_phase: BTreeMap<Phase, usize> = BTreeMap::new();
    for case in &cases {
        *per_phase.entry(case.phase).or_default() += 1;
    }
    assert_eq!(per_phase.len(), PHASES.len());
    assert!(cases.len() > 330, "{}", cases.len());

    // The large bodies keep a core busy; apart from the others they do not eat their deadlines.
    let (large, small): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| matches!(case.phase, Phase::Body(_)));
    let mut results = Vec::new();
    for (cases, at_a_time) in [(small, 48), (large, 1)] {
        let running = stream::iter(cases).map(|case| run(case, &ca, file.path()));
        results.extend(running.buffer_unordered(at_a_time).collect::<Vec<_>>().await);
    }

    let wrong: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// No path from doubt to a refusal: `Unknown` comes only once the terminator was offered, and from
/// then on nothing but an explicit 4yz or 5yz is a refusal.
#[test]
fn the_table_itself_keeps_the_boundary() {
    for phase in PHASES {
        for event in EVENTS {
            let is_after_dot = phase == Phase::FinalDot;
            match expected(phase, event) {
                Some(Is::Unknown(_)) => {
                    assert!(is_after_dot || (phase, event) == (Phase::Body(1000), Silence));
                }
                Some(Is::Provider(_) | Is::Recipient | Is::BadAddress | Is::Message) if is_after_dot => {
                    assert!(matches!(event, Says421 | Says451 | Says550 | SaysBadAddress), "{event:?}");
                }
                _ => {}
            }
        }
    }
}
