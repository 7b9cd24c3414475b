//! Exit codes. CLI.md, "Exit codes", is the rule.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Finished and found problems, or another failure.
    Problems = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Some recipients are refused for good.
    Refused = 3,
    /// Recipients are still pending.
    Pending = 4,
    /// A guard refused.
    Guard = 5,
    /// Somebody is unknown or held.
    Unknown = 6,
    /// Could not conclude: DNS or network failed for the moment.
    Inconclusive = 7,
    /// Nobody could log in.
    Credentials = 8,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// The one that counts when several apply: 130, 6, 3, 4, 8, 1; the guard and usage codes stop
    /// everything and never meet another.
    pub(crate) fn foremost(several: impl IntoIterator<Item = Self>) -> Self {
        const ORDER: [Exit; 9] = [
            Exit::Interrupted,
            Exit::Unknown,
            Exit::Refused,
            Exit::Pending,
            Exit::Credentials,
            Exit::Inconclusive,
            Exit::Guard,
            Exit::Usage,
            Exit::Problems,
        ];
        let several: Vec<Self> = several.into_iter().collect();
        ORDER.into_iter().find(|exit| several.contains(exit)).unwrap_or(Self::Done)
    }

    /// The exit of a domain check: 0, 1, or 7 when it could not conclude.
    pub(crate) fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            7 => Self::Inconclusive,
            _ => Self::Problems,
        }
    }

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_several_apply_the_order_is_that_of_the_contract() {
        use Exit::*;
        let order = [Interrupted, Unknown, Refused, Pending, Credentials, Problems];
        for (rank, first) in order.into_iter().enumerate() {
            for second in &order[rank..] {
                assert_eq!(Exit::foremost([*second, first]), first);
            }
        }
        assert_eq!(Exit::foremost([]), Done);
    }
}
