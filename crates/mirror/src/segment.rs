//! What one name of the mirror's log holds: records, or the word that they were brought elsewhere.
//!
//! Version 1 holds records in the order in which they happened. Version 2 came with compaction: a segment may
//! be part of a snapshot, or hold nothing any more and say where the log goes on. A reader refuses what is
//! newer than itself, so that a mirror is not half understood.

use depeche_core::clock::Entropy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::Record;

/// What one segment holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    version: u32,
    /// Told apart from another machine's when the answer to a write was lost.
    pub(crate) id: Uuid,
    /// The journal that wrote it.
    pub(crate) journal: Uuid,
    at: Timestamp,
    /// The snapshot that its records are part of; `None`: they happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) part_of: Option<Uuid>,
    /// Where the log goes on: what stood here stands in the snapshot that begins there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) goes_on_at: Option<u64>,
    /// What happened, in order.
    pub records: Vec<Record>,
}

/// Of a segment that cannot be read whole: enough to say why.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// The newest version that is understood.
const NEWEST: u32 = 2;

impl Segment {
    /// What happened.
    pub(crate) fn of(journal: Uuid, records: Vec<Record>, entropy: &dyn Entropy, at: Timestamp) -> Self {
        let version = if records.iter().any(Record::is_of_version_2) { 2 } else { 1 };
        Self { version, id: entropy.uuid(), journal, at, part_of: None, goes_on_at: None, records }
    }

    /// The same, as part of a snapshot.
    pub(crate) fn in_part_of(self, snapshot: Uuid) -> Self {
        Self { version: 2, part_of: Some(snapshot), ..self }
    }

    /// In place of a segment whose content stands in the snapshot that begins at `number`.
    pub(crate) fn emptied(journal: Uuid, number: u64, entropy: &dyn Entropy, at: Timestamp) -> Self {
        let empty = Self::of(journal, Vec::new(), entropy, at);
        Self { version: 2, goes_on_at: Some(number), ..empty }
    }

    /// As it is sealed.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// What was sealed; why it cannot be read.
    pub(crate) fn from_bytes(plain: &[u8]) -> Result<Self, String> {
        let newer = |version: u32| format!("it was written by a newer depeche (version {version})");
        match serde_json::from_slice::<Self>(plain) {
            Ok(segment) if segment.version > NEWEST => Err(newer(segment.version)),
            Ok(segment) => Ok(segment),
            Err(error) => match serde_json::from_slice::<Head>(plain) {
                Ok(head) if head.version > NEWEST => Err(newer(head.version)),
                _ => Err(error.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_depeche_wrote_is_refused_as_such_whatever_it_holds() {
        for records in ["[]", r#"[{"what":"never heard of"}]"#] {
            let id = Uuid::nil();
            let text = format!(
                r#"{{"version":3,"id":"{id}","journal":"{id}","at":"2026-11-28T09:00:00Z","records":{records}}}"#
            );
            let refused = Segment::from_bytes(text.as_bytes()).unwrap_err();
            assert_eq!(refused, "it was written by a newer depeche (version 3)");
        }
    }

    #[test]
    fn what_version_1_wrote_is_read() {
        let id = Uuid::nil();
        let text = format!(
            r#"{{"version":1,"id":"{id}","journal":"{id}","at":"2026-11-28T09:00:00Z","records":[]}}"#
        );
        let segment = Segment::from_bytes(text.as_bytes()).unwrap();
        assert_eq!((segment.part_of, segment.goes_on_at, segment.records.len()), (None, None, 0));
    }
}
