//! What EHLO said. Read here because lettre's reader drops SIZE, PIPELINING, DSN and CHUNKING.

use super::reply::Reply;

/// The extensions that depeche uses or shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Features {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 6531.
    pub(super) smtputf8: bool,
    /// RFC 3461.
    pub(super) dsn: bool,
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 3030. Not used; shown by `provider test`.
    pub(super) chunking: bool,
    /// RFC 1870: offered, with its limit when it states one (0 states none).
    pub(super) size: Option<Option<u64>>,
    /// RFC 4954, PLAIN.
    pub(super) auth_plain: bool,
    /// RFC 4954, LOGIN.
    pub(super) auth_login: bool,
}

impl Features {
    /// Reads the answer to EHLO. Its first line is a greeting (RFC 5321, section 4.1.1.1).
    pub(super) fn of(reply: &Reply) -> Self {
        let mut features = Self::default();
        for line in reply.lines().skip(1) {
            // Servers of old wrote `AUTH=LOGIN`; keywords count without case.
            let line = line.to_ascii_uppercase();
            let line = line.replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("PIPELINING") => features.pipelining = true,
                Some("8BITMIME") => features.eight_bit = true,
                Some("SMTPUTF8") => features.smtputf8 = true,
                Some("DSN") => features.dsn = true,
                Some("STARTTLS") => features.starttls = true,
                Some("CHUNKING") => features.chunking = true,
                Some("SIZE") => {
                    let limit = words.next().and_then(|digits| digits.parse().ok());
                    features.size = Some(limit.filter(|limit| *limit > 0));
                }
                Some("AUTH") => {
                    for mechanism in words {
                        features.auth_plain |= mechanism == "PLAIN";
                        features.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        features
    }

    /// The most octets that the server says it takes.
    pub(super) fn size_limit(&self) -> Option<u64> {
        self.size.flatten()
    }

    /// Their names, for people.
    pub(super) fn names(&self) -> String {
        let all = [
            (self.pipelining, "PIPELINING"),
            (self.eight_bit, "8BITMIME"),
            (self.smtputf8, "SMTPUTF8"),
            (self.dsn, "DSN"),
            (self.chunking, "CHUNKING"),
            (self.size.is_some(), "SIZE"),
            (self.auth_plain, "AUTH PLAIN"),
            (self.auth_login, "AUTH LOGIN"),
        ];
        let offered: Vec<&str> = all.iter().filter(|(offered, _)| *offered).map(|(_, name)| *name).collect();
        offered.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::parse_reply;
    use super::*;

    #[test]
    fn extensions_are_read_without_case_and_the_greeting_is_none() {
        let reply = parse_reply(
            "250-PIPELINING greets you\r\n250-size 35651584\r\n250-8BITMIME\r\n250-AUTH=LOGIN\r\n250-auth plain cram-md5\r\n250 CHUNKING\r\n",
        )
        .unwrap();

        let features = Features::of(&reply);

        assert!(!features.pipelining);
        assert_eq!(features.size_limit(), Some(35_651_584));
        assert!(features.eight_bit && features.auth_login && features.auth_plain && features.chunking);
    }

    #[test]
    fn a_size_of_zero_or_none_states_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE x"] {
            let features = Features::of(&parse_reply(&format!("250-h\r\n250 {line}\r\n")).unwrap());
            assert_eq!(features.size, Some(None), "{line}");
        }
    }
}
