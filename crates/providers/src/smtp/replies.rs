//! What servers answer and what it means: data, each row with its source.
//!
//! Three tables, asked in this order by [`super::classify`]:
//! [`KNOWN`], the receivers' own markers and the few phrases that, together with their code, are
//! unmistakable; [`ENHANCED`], the enhanced status codes (RFC 3463 and the IANA registry of RFC 5248);
//! [`BASIC`], the three digits (RFC 5321, section 4.2.3). The known rows come first because codes
//! mislead: Orange says `552 5.1.1` for a full mailbox, La Poste `550 5.5.0` for an unknown one.
//! No row of [`KNOWN`] goes by prose alone: every one names the codes it may stand behind.
//!
//! Sources are named as in the project's provider notes: "kumo" is KumoCorp/kumomta, "sis" is
//! sisimai/set-of-emails, "zone-mta" is its bounces.txt, each at the commit read in November 2026.
//! Rows marked "from memory" were in no source at hand.

use std::time::Duration;

use depeche_core::outcome::Trouble;

use super::Phase;

/// What a reply means, before the phase has its say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A true bad-address code: never mailed again.
    BadAddress,
    /// The recipient, for now or for good by the first digit.
    Recipient,
    /// The recipient for now, whatever the first digit says.
    RecipientForNow,
    /// Content, policy on content, or size.
    Message,
    /// The provider.
    Provider(Trouble),
}

/// A row that goes by a marker in the text.
pub(super) struct Known {
    /// The codes behind which it may stand.
    pub(super) codes: &'static [u16],
    /// The enhanced codes behind which it may stand (class left out); `None` in the list stands for
    /// a reply without one; an empty list for any.
    pub(super) enhanced: &'static [Option<(u16, u16)>],
    /// Any one of these, in lower case.
    pub(super) markers: &'static [&'static str],
    pub(super) meaning: Meaning,
    /// It blocks our source address, for about so long.
    pub(super) blocks_source: Option<Duration>,
    /// Where it was read. Shown to whoever reads the table; a test demands it.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people and by the tests"))]
    pub(super) source: &'static str,
}

/// A row that goes by the enhanced code.
pub(super) struct ByEnhanced {
    /// 4, 5, or 0 for both.
    pub(super) class: u16,
    pub(super) subject: u16,
    /// First and last detail.
    pub(super) details: (u16, u16),
    /// The phases; empty for all.
    pub(super) phases: &'static [Phase],
    pub(super) meaning: Meaning,
}

/// A row that goes by the three digits.
pub(super) struct ByCode {
    /// First and last code.
    pub(super) codes: (u16, u16),
    /// The phases; empty for all.
    pub(super) phases: &'static [Phase],
    pub(super) meaning: Meaning,
}

use Meaning::{BadAddress, Message, Provider, Recipient, RecipientForNow};
use Trouble::{Credentials, Fault, Quota, Sender, Throttled, Tls, Unreachable};

const fn hours(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count * 3600))
}

const fn known(
    codes: &'static [u16],
    markers: &'static [&'static str],
    meaning: Meaning,
    source: &'static str,
) -> Known {
    Known { codes, enhanced: &[], markers, meaning, blocks_source: None, source }
}

const fn blocking(
    codes: &'static [u16],
    markers: &'static [&'static str],
    meaning: Meaning,
    blocks_source: Option<Duration>,
    source: &'static str,
) -> Known {
    Known { codes, enhanced: &[], markers, meaning, blocks_source, source }
}

/// Replies by their marker; the first row that fits decides.
pub(super) const KNOWN: &[Known] = &[
    // Orange and Wanadoo.
    known(
        &[421],
        &["ofr004_104", "ofr005_104"],
        Provider(Throttled),
        "zone-mta bounces.txt: too many connections",
    ),
    blocking(
        &[421],
        &["ofr_999", "ofr004_105"],
        Provider(Throttled),
        hours(2),
        "sis; suped: a block of 2 h or more",
    ),
    known(&[550], &["ofr_416"], BadAddress, "sis: adresse invalide"),
    known(&[552, 550], &["ofr_417"], RecipientForNow, "zone-mta: mailbox full, despite 5.1.1"),
    known(&[550, 554], &["ofr_506", "ofr004_506"], Message, "sis: content or reputation"),
    known(&[501, 550], &["ofr_515", "ofr004_519"], Provider(Sender), "kumo; AssoConnect/smtp-toolbox: DMARC"),
    // La Poste.
    known(&[550], &["lpn007_416"], BadAddress, "sis: adresse invalide, despite 5.5.0"),
    known(&[550, 554], &["lpn007_510"], Message, "public repositories: policy, permanent despite its text"),
    known(
        &[450, 421, 550],
        &["lpn027_503", "lpn006_107", "lpn001_108"],
        Provider(Throttled),
        "bentonow; sis rhost-franceptt-10: throttle, 550 5.5.0 at the greeting too",
    ),
    known(&[450, 550], &["lpn007_405"], Provider(Sender), "secondary: the sender address cannot receive"),
    known(&[550], &["lpn007_426"], Recipient, "sis: compte bloque"),
    // SFR.
    blocking(
        &[421, 450, 550],
        &["sfr_in_101", "sfr_in_103"],
        Provider(Throttled),
        hours(2),
        "bentonow, AssoConnect: a block of 2 h",
    ),
    // Free.
    known(&[550], &["spam detected"], Message, "postmaster.free.fr: content"),
    blocking(
        &[421],
        &["too many connections from your ip"],
        Provider(Throttled),
        hours(24),
        "postmaster.free.fr: up to 24 h",
    ),
    // Microsoft.
    blocking(
        &[550],
        &["(s3150)", "(s3140)"],
        Provider(Fault),
        hours(24),
        "kumo, public bounces: our network is on their block list",
    ),
    // OVH as provider, and SFR and Free as receivers, say this with 421 4.7.0.
    blocking(
        &[421],
        &["too many errors"],
        Provider(Throttled),
        hours(2),
        "claroline/Distribution#2267 (OVH); bentonow (SFR); AssoConnect (Free)",
    ),
    known(
        &[550, 554, 552, 535],
        &["too many emails", "too many mails"],
        Provider(Throttled),
        "aschroder/Magento-SMTP-Pro-Email-Extension#94 (OVH), with 5.7.1",
    ),
    // Gmail as provider.
    known(
        &[550],
        &["daily user sending limit", "daily sending quota"],
        Provider(Quota),
        "from memory: Google answers 550 5.4.5",
    ),
    // Block lists, in the words of Postfix and of the lists.
    blocking(
        &[421, 450, 451, 550, 553, 554],
        &["spamhaus", "blocked using ", "client host blocked"],
        Provider(Fault),
        hours(24),
        "Postfix postconf(5), default_rbl_reply",
    ),
    // Postfix tells at RCPT what it found at connect, EHLO or MAIL (smtpd_delay_reject = yes).
    known(
        &[450, 451, 501, 504, 550, 553, 554],
        &["sender address rejected", "not owned by user"],
        Provider(Sender),
        "Postfix postconf(5), smtpd_delay_reject, reject_sender_login_mismatch",
    ),
    known(
        &[450, 501, 504, 550, 554],
        &["client host rejected", "helo command rejected"],
        Provider(Fault),
        "Postfix postconf(5), smtpd_delay_reject",
    ),
    // A provider that will not relay for us will not relay for the next recipient either; but it may
    // be quoting somebody's callout, so it counts for the breaker and does not open it at once.
    known(
        &[454, 530, 550, 551, 553, 554],
        &[
            "relay access denied",
            "relaying denied",
            "relay not permitted",
            "do not relay",
            "relaying not allowed",
        ],
        Provider(Fault),
        "Postfix, Sendmail, Exim default texts",
    ),
    // Greylisting, whatever its code.
    known(
        &[421, 450, 451, 452],
        &["greylist", "graylist", "grey-list", "grey list"],
        RecipientForNow,
        "RFC 6647, section 4, and Postgrey's default text",
    ),
    // Rates, in the words that several providers share.
    known(
        &[421, 450, 451, 452, 454],
        &[
            "too many messages",
            "too many connections",
            "too many concurrent",
            "too many recipients",
            "too many emails",
            "too many mails",
            "rate limit",
            "message rate",
            "sending limit",
        ],
        Provider(Throttled),
        "public bounces of several providers; Postfix anvil(8)",
    ),
    // Without an enhanced code, the words that mean "no such mailbox" in every MTA.
    Known {
        codes: &[550, 551, 553],
        enhanced: &[None],
        markers: &[
            "user unknown",
            "unknown user",
            "no such user",
            "no such recipient",
            "no mailbox here by that name",
            "no such mailbox",
        ],
        meaning: BadAddress,
        blocks_source: None,
        source: "Postfix, Sendmail, Exim, qmail default texts",
    },
    Known {
        codes: &[450, 452, 550, 552, 554],
        enhanced: &[None, Some((1, 1)), Some((2, 0)), Some((2, 1))],
        markers: &[
            "mailbox full",
            "mailbox is full",
            "over quota",
            "overquota",
            "quota exceeded",
            "exceeded storage",
        ],
        meaning: RecipientForNow,
        blocks_source: None,
        source: "Dovecot, Courier, Exchange default texts; zone-mta bounces.txt",
    },
];

const ALL: &[Phase] = &[];
const SENDER: &[Phase] = &[Phase::Mail];
const LOGIN: &[Phase] = &[Phase::Auth, Phase::Mail];
const RECIPIENT: &[Phase] = &[Phase::Rcpt, Phase::Dot];

const fn both(subject: u16, detail: u16, meaning: Meaning) -> ByEnhanced {
    ByEnhanced { class: 0, subject, details: (detail, detail), phases: ALL, meaning }
}

const fn one(class: u16, subject: u16, detail: u16, meaning: Meaning) -> ByEnhanced {
    ByEnhanced { class, subject, details: (detail, detail), phases: ALL, meaning }
}

const fn at(
    class: u16,
    subject: u16,
    details: (u16, u16),
    phases: &'static [Phase],
    meaning: Meaning,
) -> ByEnhanced {
    ByEnhanced { class, subject, details, phases, meaning }
}

/// Replies by enhanced code: RFC 3463, section 3, and the IANA registry "SMTP Enhanced Status
/// Codes". `X.0.0` is in no row: it says nothing, and the basic code decides.
pub(super) const ENHANCED: &[ByEnhanced] = &[
    // 1, addressing.
    one(5, 1, 1, BadAddress),
    one(5, 1, 2, BadAddress),
    one(5, 1, 3, BadAddress),
    one(5, 1, 6, BadAddress),
    both(1, 7, Provider(Sender)),
    both(1, 8, Provider(Sender)),
    // RFC 7505, section 3: the domain says by its null MX that it takes no mail.
    one(5, 1, 10, BadAddress),
    at(0, 1, (1, 99), ALL, Recipient),
    // 2, mailbox. Full is "for now" although some say 5.2.2. Disabled is not a bad address.
    both(2, 2, RecipientForNow),
    both(2, 3, Message),
    at(0, 2, (0, 99), ALL, Recipient),
    // 3, mail system.
    both(3, 3, Message),
    both(3, 4, Message),
    at(0, 3, (0, 99), ALL, Provider(Fault)),
    // 4, network. At RCPT and after the dot it is about the way to the recipient's domain.
    both(4, 5, Provider(Throttled)),
    at(4, 4, (2, 2), &[Phase::Banner, Phase::Ehlo, Phase::Auth, Phase::Mail], Provider(Unreachable)),
    at(0, 4, (0, 99), RECIPIENT, Recipient),
    at(0, 4, (0, 99), ALL, Provider(Unreachable)),
    // 5, protocol. RFC 5321, section 4.5.3.1.10: 452 4.5.3 is "come again", and we bring one.
    both(5, 3, Provider(Throttled)),
    both(5, 6, Provider(Credentials)),
    at(5, 5, (0, 0), &[Phase::Rcpt], Recipient),
    at(5, 5, (0, 99), &[Phase::Dot], Message),
    at(0, 5, (0, 99), ALL, Provider(Fault)),
    // 6, content and conversion.
    at(0, 6, (0, 99), ALL, Message),
    // 7, security and policy. First the numbers that the registry gives a meaning of their own.
    both(7, 2, Recipient),
    both(7, 8, Provider(Credentials)),
    both(7, 9, Provider(Credentials)),
    both(7, 10, Provider(Tls)),
    both(7, 11, Provider(Tls)),
    both(7, 12, Provider(Credentials)),
    at(0, 7, (13, 13), LOGIN, Provider(Credentials)),
    both(7, 13, Recipient),
    both(7, 14, Provider(Credentials)),
    both(7, 15, Provider(Throttled)),
    both(7, 17, Recipient),
    both(7, 18, Recipient),
    // RFC 7372: DKIM, SPF, reverse DNS, several of them. The provider's authentication, not the address.
    at(0, 7, (20, 24), ALL, Provider(Sender)),
    both(7, 25, Provider(Fault)),
    // Gmail's 5.7.26 "unauthenticated" and RFC 7505's 5.7.27 "sender has null MX".
    at(0, 7, (26, 27), ALL, Provider(Sender)),
    both(7, 28, Provider(Throttled)),
    // Microsoft: 4.7.500 to 4.7.699 "server busy" (its own documentation); 5.7.515 authentication level.
    at(4, 7, (500, 699), ALL, Provider(Throttled)),
    one(5, 7, 515, Provider(Sender)),
    // Then 7.0 and 7.1, which everybody uses for everything, by phase. 4.7.1 at RCPT is greylisting
    // in the field (RFC 6647, section 4).
    at(0, 7, (0, 99), &[Phase::Auth], Provider(Credentials)),
    at(5, 7, (0, 0), SENDER, Provider(Credentials)),
    at(5, 7, (1, 1), SENDER, Provider(Sender)),
    at(4, 7, (0, 0), ALL, Provider(Throttled)),
    at(4, 7, (1, 1), RECIPIENT, RecipientForNow),
    at(4, 7, (0, 999), ALL, Provider(Throttled)),
    at(5, 7, (0, 999), RECIPIENT, Message),
    at(5, 7, (0, 999), ALL, Provider(Fault)),
];

const fn code(code: u16, phases: &'static [Phase], meaning: Meaning) -> ByCode {
    ByCode { codes: (code, code), phases, meaning }
}

const fn range(first: u16, last: u16, phases: &'static [Phase], meaning: Meaning) -> ByCode {
    ByCode { codes: (first, last), phases, meaning }
}

const AFTER_RCPT: &[Phase] = &[Phase::Dot];
const AT_RCPT: &[Phase] = &[Phase::Rcpt];
const AT_TLS: &[Phase] = &[Phase::StartTls];
const AT_AUTH: &[Phase] = &[Phase::Auth];

/// Replies by basic code: RFC 5321, section 4.2.3; RFC 4954, section 6; RFC 7504. The last rows
/// take every 4yz and 5yz.
pub(super) const BASIC: &[ByCode] = &[
    // "Service not available, closing transmission channel": in practice a limit.
    code(421, ALL, Provider(Throttled)),
    range(400, 599, AT_TLS, Provider(Tls)),
    // RFC 4954, section 6. 454 is temporary; 538 wants encryption.
    code(538, ALL, Provider(Tls)),
    code(454, AT_AUTH, Provider(Fault)),
    range(500, 599, AT_AUTH, Provider(Credentials)),
    code(432, ALL, Provider(Credentials)),
    code(530, ALL, Provider(Credentials)),
    range(534, 535, ALL, Provider(Credentials)),
    // MAIL FROM: 452 and 552 speak of size or storage, 450 and 451 of pace.
    code(552, SENDER, Message),
    range(450, 452, SENDER, Provider(Throttled)),
    code(550, SENDER, Provider(Sender)),
    code(553, SENDER, Provider(Sender)),
    code(501, SENDER, Provider(Sender)),
    // RCPT TO. A bare 550 is "not found, no access, or policy": not a true bad-address code.
    code(452, AT_RCPT, Provider(Throttled)),
    code(454, AT_RCPT, Provider(Fault)),
    code(455, AT_RCPT, Provider(Fault)),
    range(400, 499, AT_RCPT, Recipient),
    // RFC 7504: 521 (host) and 556 (domain) take no mail at all.
    code(556, AT_RCPT, BadAddress),
    code(552, AT_RCPT, RecipientForNow),
    range(550, 553, AT_RCPT, Recipient),
    code(521, AT_RCPT, Recipient),
    code(501, AT_RCPT, Recipient),
    code(554, AT_RCPT, Message),
    // After the dot: 450 is the recipient's mailbox, 451 and 452 the server; any 5yz is the message.
    code(450, AFTER_RCPT, Recipient),
    code(452, AFTER_RCPT, Provider(Throttled)),
    range(500, 599, AFTER_RCPT, Message),
    // DATA: nothing of the message has been seen.
    code(450, &[Phase::Data], Provider(Throttled)),
    range(400, 599, ALL, Provider(Fault)),
];
