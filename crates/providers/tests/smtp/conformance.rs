//! The suite of every provider, for SMTP.

use std::sync::Arc;

use async_trait::async_trait;
use depeche_providers::smtp::{SmtpConfig, SmtpProvider};
use depeche_testkit::conformance::{Arranged, Peer, PeerDoes, ProviderHarness, provider_conformance};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule, RunningSmtp};

use crate::support::{config, login};

struct Server(RunningSmtp);

impl Peer for Server {
    fn message_bytes(&self) -> u64 {
        self.0.record().body_bytes
    }

    fn whole_messages(&self) -> Vec<String> {
        self.0.messages().into_iter().flat_map(|message| message.to).collect()
    }
}

struct Smtp {
    is_pipelined: bool,
}

#[async_trait]
impl ProviderHarness for Smtp {
    async fn arrange(&self, peer: PeerDoes) -> Option<Arranged> {
        let script = FakeSmtp::new().login("presse", "secret");
        let script = if self.is_pipelined { script } else { script.without("PIPELINING") };
        let at = |phase, reply: &str| Rule::at(phase).replies(reply);
        let script = match peer {
            PeerDoes::Accepts | PeerDoes::RefusesLogin | PeerDoes::IsAbsent => script,
            PeerDoes::RefusesBadAddress => script.rule(at(Phase::Rcpt, "550 5.1.1 no such user")),
            PeerDoes::DefersRecipient => script.rule(at(Phase::Rcpt, "452 4.2.2 mailbox full")),
            PeerDoes::RefusesMessage => script.rule(at(Phase::FinalDot, "554 5.7.1 content rejected")),
            PeerDoes::Throttles => script.rule(at(Phase::Mail, "450 4.7.1 too many messages, slow down")),
            PeerDoes::ClosesBeforeTheIntent => script.failing(Phase::Data, Fault::Close),
            PeerDoes::FallsSilentAfterTheMessage => script.silent_after(Phase::FinalDot),
            PeerDoes::ClosesAfterTheMessage => script.failing(Phase::FinalDot, Fault::Reset),
            PeerDoes::AnswersGarbageAfterTheMessage => script.failing(Phase::FinalDot, Fault::Garbage),
            PeerDoes::AnswersUnclearlyAfterTheMessage => script.rule(at(Phase::FinalDot, "221 bye")),
            // A server that holds a message says 250 like any other.
            _ => return None,
        };
        let server = script.start().await;
        let password = if peer == PeerDoes::RefusesLogin { "wrong" } else { "secret" };
        let config = SmtpConfig { credentials: login("presse", password), ..config(&server) };
        if peer == PeerDoes::IsAbsent {
            server.die();
            // The port must be closed before the provider tries it.
            while tokio::net::TcpStream::connect(server.address()).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        Some(Arranged { provider: Box::new(SmtpProvider::new(config).ok()?), peer: Arc::new(Server(server)) })
    }
}

#[tokio::test]
async fn smtp_keeps_every_promise_of_a_provider() {
    for is_pipelined in [true, false] {
        let report = provider_conformance(&Smtp { is_pipelined }).await;

        report.assert_all_held();
        assert_eq!(report.left_out, ["Holds"]);
        assert_eq!(report.held.len(), 12 + 4 + 2);
    }
}
