//! DMARC (RFC 9989): the policy record with places, the DNS tree walk with its trace, alignment.
//!
//! The public suffix list plays no part: the organizational domain is what the tree walk finds. What
//! DNS did not answer makes a verdict temporary; it never makes a record "missing".

mod evaluate;
mod external;
mod record;
mod walk;

pub use evaluate::{Aligned, Authenticated, DmarcResult, Evaluation, evaluate};
pub use external::{Destination, destinations};
pub use record::{Alignment, Issue, IssueKind, Policy, Psd, Record, Tag, Uri, is_dmarc, parse};
pub use walk::{Discovery, Origin, Step, Walk, discover, walk};

/// The most queries of one tree walk (RFC 9989, section 4.10).
pub const MAX_QUERIES: usize = 8;
