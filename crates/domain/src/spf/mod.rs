//! SPF (RFC 7208): a parser with places, an evaluator that obeys every limit, a ledger of look-ups.
//!
//! Written from the RFC, not on another library, because a user must be told *which* term is wrong,
//! where it stands, and which of the ten look-ups each term costs.
//!
//! # Not covered
//!
//! The obsolete SPF record type (RFC 7208, section 3.1) is not asked for.

mod audit;
mod evaluate;
mod ledger;
mod macros;
mod parse;
mod record;
mod verdict;

pub use audit::{Audit, AuditTerm, audit, included_twice};
pub use evaluate::check_host;
pub use ledger::{LedgerEntry, Outcome, Query};
pub use macros::{DomainSpec, MacroError};
pub use parse::{SyntaxError, is_spf, parse};
pub use record::{Directive, DualCidr, Mechanism, Modifier, Qualifier, Record, Term, TermKind};
pub use verdict::{Problem, Request, SpfResult, Verdict};

/// The most terms of one evaluation that may ask DNS (RFC 7208, section 4.6.4).
pub const MAX_LOOKUPS: u32 = 10;
/// The most of them that may find nothing (RFC 7208, section 4.6.4).
pub const MAX_VOID_LOOKUPS: u32 = 2;
/// The most exchangers of one `mx`, and names of one `ptr`, that are looked at (RFC 7208, section 4.6.4).
pub const MAX_NAMES: usize = 10;
/// The longest that one evaluation takes (RFC 7208, section 4.6.4).
pub const MAX_TIME: std::time::Duration = std::time::Duration::from_secs(20);
