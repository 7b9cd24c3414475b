//! Any message of the mailbox is a report, a complaint, an answer or set aside; what it says is one line each;
//! and a body alone never makes a person a machine (RFC 3834: only a header does).
#![no_main]

use depeche_mailbox::{Answer, AnswerKind, Letter, Ours, read};
use libfuzzer_sys::fuzz_target;

fn one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn check(letter: &Letter) {
    match letter {
        Letter::Report(report) => {
            assert!(!report.notices.is_empty(), "{report:?}");
            for notice in &report.notices {
                assert!(notice.reason.as_deref().is_none_or(one_line), "{notice:?}");
            }
        }
        Letter::Answer(answer) => assert!(one_line(&answer.subject), "{answer:?}"),
        Letter::Unclear { subject } => assert!(one_line(subject), "{subject:?}"),
        Letter::Complaint { .. } | Letter::Unreadable => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let ours = Ours {
        senders: vec!["rebonds+{verp}@exemple.fr".parse().expect("an envelope sender")],
        opt_out: Some("presse+stop@exemple.fr".parse().expect("an address")),
        addresses: Vec::new(),
    };
    let mut written = b"From: zoe@journal.example\r\nTo: presse@exemple.fr\r\nSubject: Re: Essai\r\n\r\n".to_vec();
    written.extend_from_slice(data);
    let letters = read(&[data, &written], &ours).expect("a thread to read on");
    letters.iter().for_each(check);
    if let Letter::Answer(Answer { kind, .. }) = &letters[1] {
        assert!(matches!(kind, AnswerKind::Human | AnswerKind::OptOut), "{kind:?}");
    }
});
