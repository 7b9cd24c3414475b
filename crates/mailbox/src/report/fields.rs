//! The fields of message/delivery-status (RFC 3464, section 2): groups of `Name: value` lines, the first
//! about the message, each other about one recipient.

/// Longer values say nothing more that counts.
const MOST_CHARS: usize = 2_000;
/// More fields than a report of ours can have.
const MOST_FIELDS: usize = 1_000;

/// The fields, in groups.
#[derive(Debug, Default)]
pub(super) struct Status {
    groups: Vec<Group>,
}

type Group = Vec<(String, String)>;

/// The fields about one recipient (RFC 3464, section 2.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PerRecipient<'s> {
    pub(super) original: Option<&'s str>,
    pub(super) last: Option<&'s str>,
    pub(super) action: Option<&'s str>,
    pub(super) status: Option<&'s str>,
    pub(super) diagnostic: Option<&'s str>,
}

impl Status {
    pub(super) fn read(text: &str) -> Self {
        let (mut groups, mut group, mut fields) = (Vec::new(), Group::new(), 0);
        for line in text.lines() {
            if line.trim().is_empty() {
                if !group.is_empty() {
                    groups.push(std::mem::take(&mut group));
                }
            } else if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = group.last_mut().filter(|(_, value)| value.len() < MOST_CHARS) {
                    value.push(' ');
                    value.extend(line.trim().chars().take(MOST_CHARS));
                }
            } else if let Some((name, value)) = line.split_once(':').filter(|_| fields < MOST_FIELDS) {
                fields += 1;
                let value = value.trim().chars().take(MOST_CHARS).collect();
                group.push((name.trim().to_ascii_lowercase(), value));
            }
        }
        groups.extend((!group.is_empty()).then_some(group));
        Self { groups }
    }

    /// The ENVID that we gave (RFC 3464, section 2.2.1), in xtext.
    pub(super) fn envelope_id(&self) -> Option<&str> {
        value(self.groups.first()?, "original-envelope-id")
    }

    /// The groups that name a recipient.
    pub(super) fn recipients(&self) -> impl Iterator<Item = PerRecipient<'_>> {
        self.groups.iter().filter(|group| value(group, "final-recipient").is_some()).map(|group| {
            PerRecipient {
                original: value(group, "original-recipient").map(address),
                last: value(group, "final-recipient").map(address),
                action: value(group, "action"),
                status: value(group, "status"),
                diagnostic: value(group, "diagnostic-code"),
            }
        })
    }
}

fn value<'s>(group: &'s Group, name: &str) -> Option<&'s str> {
    group
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// What stands behind the address type: `rfc822; zoe@exemple.fr`.
fn address(value: &str) -> &str {
    let bare = value.split_once(';').map_or(value, |(_, address)| address);
    bare.trim().trim_matches(['<', '>'])
}

/// Decodes xtext (RFC 3461, section 4): `+2B` is a plus sign.
pub(super) fn xtext(text: &str) -> String {
    let bytes = text.trim().as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let code = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'+');
        decoded.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3464, appendix E.1, shortened, with the envelope id of RFC 3461, section 10.2.
    #[test]
    fn the_fields_of_the_standards_own_example_are_read() {
        let status = Status::read(
            "Reporting-MTA: dns; cs.utk.edu\nOriginal-Envelope-ID: QQ314159\n\nOriginal-Recipient: \
             rfc822;louisl@larry.slip.umd.edu\nFinal-Recipient: rfc822;louisl@larry.slip.umd.edu\n\
             Action: failed\nStatus: 4.0.0\nDiagnostic-Code: smtp; 426 connection timed out\n\
             Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400\n",
        );

        assert_eq!(status.envelope_id(), Some("QQ314159"));
        let recipients: Vec<_> = status.recipients().collect();
        assert_eq!(recipients.len(), 1);
        assert_eq!(recipients[0].last, Some("louisl@larry.slip.umd.edu"));
        assert_eq!(recipients[0].action, Some("failed"));
        assert_eq!(recipients[0].diagnostic, Some("smtp; 426 connection timed out"));
    }

    #[test]
    fn a_folded_field_is_one_value() {
        let status = Status::read(
            "A: b\r\n\r\nFinal-Recipient: rfc822; x@y.fr\r\nDiagnostic-Code: smtp; 550\r\n    5.5.0 non\r\n",
        );
        assert_eq!(status.recipients().next().unwrap().diagnostic, Some("smtp; 550 5.5.0 non"));
    }

    /// RFC 3461, section 4: `+` and `=` are written +2B and +3D; what is no code stays as it is.
    #[test]
    fn xtext_is_decoded() {
        for (coded, plain) in
            [("a+2Bb+3Dc", "a+b=c"), ("+", "+"), ("+2", "+2"), ("+ZZ", "+ZZ"), ("", ""), ("é+2B", "é+")]
        {
            assert_eq!(xtext(coded), plain, "{coded}");
        }
    }
}
