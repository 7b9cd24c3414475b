//! Whether a header says that a machine wrote.
//!
//! RFC 3834, section 5, has Auto-Submitted; its section 3.3 wants an empty return path. The older headers
//! are those that responders write about themselves. X-Auto-Response-Suppress is not among them: it asks
//! others to be silent, and stands in people's mail. Neither is `Precedence: bulk`, which lists add.

use mail_parser::Message;

use crate::read::header;

/// Written by responders about their own answers.
const OWN: [&str; 5] =
    ["X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply", "X-AutoReply-From"];

pub(super) fn says_so(message: &Message<'_>) -> bool {
    let is_submitted = header(message, "Auto-Submitted").is_some_and(|value| {
        let word = value.split([';', ' ', '(']).next().unwrap_or_default().to_ascii_lowercase();
        // RFC 3834, section 5: `no` is a person; unknown words that begin so are machines.
        word.starts_with("auto-")
    });
    let is_own = OWN.iter().any(|name| {
        header(message, name).is_some_and(|value| !value.is_empty() && !value.eq_ignore_ascii_case("no"))
    });
    let is_precedence = header(message, "Precedence").is_some_and(|value| {
        let word = value.to_ascii_lowercase();
        word == "auto_reply" || word == "auto-reply"
    });
    let has_no_return = header(message, "Return-Path") == Some("<>");
    is_submitted || is_own || is_precedence || has_no_return
}
