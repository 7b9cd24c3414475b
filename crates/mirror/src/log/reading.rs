//! What the segments of a log say together: pure, batch by batch.
//!
//! The newest whole snapshot, and then what happened since it was begun; without one, everything. Parts of a
//! snapshot say nothing on their own: whoever reads them has read, or will read, what they repeat.

use uuid::Uuid;

use super::LogError;
use crate::record::Record;
use crate::segment::Segment;

/// What was read of a log.
#[derive(Debug, Default)]
pub struct Read {
    /// What it says, in order.
    pub records: Vec<Record>,
    /// The records begin with a snapshot: whatever was read of this log before is to be dropped, because it
    /// may say more than the log says now (somebody was forgotten).
    pub afresh: bool,
}

/// A reading that is under way.
pub(super) struct Reading {
    /// Where it began.
    from: u64,
    /// A segment that was emptied said that the log goes on here: what was begun before is void.
    floor: u64,
    /// The number that is wanted next.
    pub(super) next: u64,
    afresh: bool,
    /// Seemed to be missing with a later one there: while others write, a second look tells.
    doubted: Option<u64>,
    segments: Vec<(u64, Segment)>,
    /// The last number there is.
    end: Option<u64>,
}

/// A snapshot of which the end was read.
struct Whole {
    id: Uuid,
    from: u64,
    parts: u64,
}

impl Reading {
    pub(super) fn after(seen: u64) -> Self {
        Self {
            from: seen + 1,
            floor: 0,
            next: seen + 1,
            afresh: false,
            doubted: None,
            segments: Vec::new(),
            end: None,
        }
    }

    /// Takes the segments at [`Reading::next`] and after it, `None` where nothing is.
    pub(super) fn take(&mut self, batch: Vec<Option<Segment>>) -> Result<(), LogError> {
        let mut missing = None;
        for (number, segment) in (self.next..).zip(batch) {
            match (segment, missing) {
                (None, _) => missing = missing.or(Some(number)),
                (Some(_), Some(gap)) if self.doubted == Some(gap) => return Err(LogError::Missing(gap)),
                (Some(_), Some(gap)) => {
                    (self.doubted, self.next) = (Some(gap), gap);
                    return Ok(());
                }
                (Some(Segment { goes_on_at: Some(at), .. }), None) => return self.go_on_at(number, at),
                (Some(segment), None) => {
                    self.segments.push((number, segment));
                    self.next = number + 1;
                }
            }
        }
        if let Some(number) = missing {
            self.end = Some(number - 1);
            self.begin_earlier();
        }
        Ok(())
    }

    fn go_on_at(&mut self, number: u64, at: u64) -> Result<(), LogError> {
        if at <= number {
            return Err(LogError::Unreadable { number, reason: format!("it goes on at {at}") });
        }
        self.floor = at;
        self.begin_at(at);
        Ok(())
    }

    fn begin_at(&mut self, number: u64) {
        (self.from, self.next, self.afresh) = (number, number, true);
        (self.doubted, self.end) = (None, None);
        self.segments.clear();
    }

    /// Of a snapshot whose end alone was read, all is read: it says what the log says now.
    fn begin_earlier(&mut self) {
        let begun = self.newest().map(|whole| whole.from).filter(|from| *from < self.from);
        if let Some(from) = begun {
            self.begin_at(from);
        }
    }

    /// The newest whole snapshot that still stands.
    fn newest(&self) -> Option<Whole> {
        let records = self.segments.iter().rev().flat_map(|(_, segment)| segment.records.iter().rev());
        let mut whole = records.filter_map(|record| match record {
            Record::SnapshotWhole { id, from, parts } => Some(Whole { id: *id, from: *from, parts: *parts }),
            _ => None,
        });
        whole.find(|whole| whole.from >= self.floor)
    }

    /// The last number and what all of them say, once the end was read.
    pub(super) fn done(&mut self) -> Option<Result<(u64, Read), LogError>> {
        let end = self.end?;
        let whole = self.newest();
        if self.floor > 0 && whole.is_none() {
            let reason = "the log goes on here with a snapshot that is not whole".to_owned();
            return Some(Err(LogError::Unreadable { number: self.floor, reason }));
        }
        let segments = std::mem::take(&mut self.segments);
        Some(told(segments, whole.as_ref()).map(|records| {
            let afresh = self.afresh || whole.is_some();
            (end, Read { records, afresh })
        }))
    }
}

fn told(segments: Vec<(u64, Segment)>, whole: Option<&Whole>) -> Result<Vec<Record>, LogError> {
    let (mut base, mut since, mut parts) = (Vec::new(), Vec::new(), 0);
    for (number, segment) in segments {
        match (segment.part_of, whole) {
            (Some(id), Some(whole)) if id == whole.id => {
                parts += 1;
                base.extend(segment.records);
            }
            (None, Some(whole)) if number >= whole.from => since.extend(segment.records),
            (None, None) => since.extend(segment.records),
            _ => {}
        }
    }
    if let Some(whole) = whole.filter(|whole| whole.parts != parts) {
        let reason = format!("its snapshot has {parts} of {} parts", whole.parts);
        return Err(LogError::Unreadable { number: whole.from, reason });
    }
    base.extend(since);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use depeche_core::clock::SystemEntropy;
    use depeche_core::journal::{RunId, RunState};
    use jiff::Timestamp;

    use super::*;

    fn segment(records: Vec<Record>) -> Segment {
        Segment::of(Uuid::nil(), records, &SystemEntropy, Timestamp::UNIX_EPOCH)
    }

    /// A record that is told from others by its note.
    fn happened(note: &str) -> Record {
        let run = RunId::new("r1").unwrap();
        Record::State {
            run,
            state: RunState::Running,
            note: Some(note.to_owned()),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn event(note: &str) -> Option<Segment> {
        Some(segment(vec![happened(note)]))
    }

    fn begun(id: u128) -> Option<Segment> {
        Some(segment(vec![Record::Snapshot { id: Uuid::from_u128(id) }]))
    }

    fn part(id: u128, note: &str) -> Option<Segment> {
        Some(segment(vec![happened(note)]).in_part_of(Uuid::from_u128(id)))
    }

    fn whole(id: u128, from: u64, parts: u64) -> Option<Segment> {
        Some(segment(vec![Record::SnapshotWhole { id: Uuid::from_u128(id), from, parts }]))
    }

    fn emptied(at: u64) -> Option<Segment> {
        Some(Segment::emptied(Uuid::nil(), at, &SystemEntropy, Timestamp::UNIX_EPOCH))
    }

    /// Reads a log whose segment 1 is the first of `log`, all that is after `seen`: the last number, whether it
    /// begins anew, and the notes.
    fn read(log: &[Option<Segment>], seen: u64) -> Result<(u64, bool, String), LogError> {
        let mut reading = Reading::after(seen);
        for _ in 0..100 {
            let from = usize::try_from(reading.next - 1).unwrap();
            let batch = (from..from + 3).map(|place| log.get(place).cloned().flatten()).collect();
            reading.take(batch)?;
            let Some(done) = reading.done() else { continue };
            let (end, read) = done?;
            let notes = read.records.iter().filter_map(|record| match record {
                Record::State { note, .. } => note.clone(),
                _ => None,
            });
            return Ok((end, read.afresh, notes.collect::<Vec<_>>().concat()));
        }
        panic!("the reading does not end");
    }

    #[test]
    fn parts_count_once_their_snapshot_is_whole_and_what_happened_since_comes_after_them() {
        let mut log = vec![event("a"), event("b"), begun(1), part(1, "A"), event("c"), part(1, "B")];
        assert_eq!(read(&log, 0).unwrap(), (6, false, "abc".to_owned()));
        log.extend([whole(1, 3, 2), event("d")]);
        assert_eq!(read(&log, 0).unwrap(), (8, true, "ABcd".to_owned()));
        // Whoever had read up to the middle of it begins anew.
        for seen in 0..=6 {
            assert_eq!(read(&log, seen).unwrap(), (8, true, "ABcd".to_owned()), "{seen}");
        }
        // Whoever had read the end of it had begun anew then.
        assert_eq!(read(&log, 7).unwrap(), (8, false, "d".to_owned()));
    }

    #[test]
    fn however_many_segments_are_emptied_the_log_says_the_same() {
        let whole_log =
            [event("a"), event("b"), event("c"), begun(1), part(1, "A"), whole(1, 4, 1), event("d")];
        for done in 0..=3 {
            let mut log = whole_log.to_vec();
            log[..done].fill(emptied(4));
            for seen in 0..6 {
                assert_eq!(read(&log, seen).unwrap(), (7, true, "Ad".to_owned()), "{done} {seen}");
            }
        }
    }

    /// Two processes of one journal compact at once; the second is done first, and empties the beginning of the first.
    #[test]
    fn a_snapshot_whose_beginning_was_emptied_is_void() {
        let whole_log = [
            event("a"),
            begun(1),
            part(1, "A"),
            begun(2),
            part(1, "B"),
            part(2, "X"),
            whole(2, 4, 1),
            whole(1, 2, 2),
            event("d"),
        ];
        assert_eq!(read(&whole_log, 0).unwrap(), (9, true, "ABd".to_owned()));
        let mut log = whole_log.to_vec();
        log[0] = emptied(4);
        assert_eq!(read(&log, 0).unwrap(), (9, true, "Xd".to_owned()));
        // Its beginning stands, and a part of it does not.
        log[2] = emptied(4);
        assert_eq!(read(&log, 1).unwrap(), (9, true, "Xd".to_owned()));
        log[1] = emptied(4);
        for seen in 0..8 {
            assert_eq!(read(&log, seen).unwrap(), (9, true, "Xd".to_owned()), "{seen}");
        }
    }

    #[test]
    fn the_newest_snapshot_is_found_through_the_ones_before_it() {
        let log = [
            emptied(3),
            emptied(3),
            emptied(6),
            emptied(6),
            emptied(6),
            begun(2),
            part(2, "A"),
            whole(2, 6, 1),
        ];
        for seen in 0..7 {
            assert_eq!(read(&log, seen).unwrap(), (8, true, "A".to_owned()), "{seen}");
        }
    }

    #[test]
    fn a_snapshot_that_lost_a_part_and_a_log_with_a_gap_are_refused() {
        let lost = [emptied(2), begun(1), part(1, "A"), whole(1, 2, 2)];
        assert!(matches!(read(&lost, 0), Err(LogError::Unreadable { number: 2, .. })));
        let never_whole = [emptied(2), begun(1), part(1, "A")];
        assert!(matches!(read(&never_whole, 0), Err(LogError::Unreadable { number: 2, .. })));
        let back = [event("a"), emptied(1)];
        assert!(matches!(read(&back, 0), Err(LogError::Unreadable { number: 2, .. })));
        let gap = [event("a"), None, event("b")];
        assert!(matches!(read(&gap, 0), Err(LogError::Missing(2))));
    }
}
