//! Finding what rows hold of a user, a slice of rows at a time, and remembering what the last slice of an erasure came to.
//!
//! The answer to a slice may be lost, and whoever asks again finds nothing any more: without a memory the receipt would say
//! that nothing was there, and that nothing of it went to the data service. And a call that comes late must not begin
//! anew: what the user sent after the erasure stays. So the last slice of each erasure is kept with what it changed, in one
//! commit; a state row without any is one that older builds read.

use super::{Line, StreamMachine, StreamStore};
use crate::bytes::{ReadError, Reader, Writer};
use crate::machine::erasure::{Counts, Sent, read_counts, read_sent, write_counts, write_sent};
use crate::machine::retract::without_user;
use crate::machine::row::{Heads, Row, RowKind};
use crate::pattern::PatternId;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Erasures whose last slice is remembered: as many as a domain has under way. At about 150 bytes each 3 KB.
const SLICES_MAX: usize = 20;

/// How much one slice opens.
#[derive(Clone, Copy, Debug)]
pub struct SliceRoom {
    /// Rows.
    pub rows: usize,
    /// Records, after which no further row is opened.
    pub records: u64,
}

/// Which slice of rows is searched, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct UserSearch<'a> {
    /// As records name the user.
    pub user: &'a str,
    /// Rows after this one.
    pub after: u64,
    /// How many of them.
    pub room: SliceRoom,
    /// Whether to look at rows that are not folded too, which cannot be rewritten.
    pub is_dry_run: bool,
    /// Whether records may be on their way to the data service at this moment. Of those it is said that they were sent.
    pub is_sending: bool,
}

/// What a slice of rows holds of a user.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The records.
    pub lines: Vec<Line>,
    /// New bodies by row.
    pub bodies: Vec<(u64, Vec<u8>)>,
    /// What the data service has of it, or may have.
    pub sent: Sent,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// The row up to which that holds.
    pub cursor: u64,
    /// Whether there are no further rows.
    pub is_done: bool,
}

impl Found {
    /// What the receipt says of it, by name.
    pub fn counts(&self) -> Counts {
        let named = [("records", self.lines.len()), ("rows", self.bodies.len())];
        let mut counts: Counts = named.into_iter().map(|(name, count)| (name.to_owned(), count as u64)).collect();
        counts.insert("unreadable_rows".to_owned(), self.unreadable);
        counts.retain(|_, count| *count > 0);
        counts
    }
}

/// What a slice came to: the answer to whoever asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The erasure.
    pub erasure: String,
    /// Rows after this one were searched,
    pub after: u64,
    /// up to this one.
    pub cursor: u64,
    /// Whether that was all.
    pub is_done: bool,
    /// What was taken, by name.
    pub counts: Counts,
    /// What of it the data service has.
    pub sent: Sent,
    /// Of the last one: the receive time up to which nothing of the user is left. What comes after it was received later.
    pub reached: Option<Timestamp>,
}

/// Patterns that left with a user and of which D1 may still hold a row. At 10 bytes each 40 KB.
const LEFT_MAX: usize = 4_096;

/// What is remembered of erasures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slices {
    /// The last slice of each, oldest first.
    last: VecDeque<Slice>,
    /// Patterns that left with a user, oldest first: whoever cannot read the state row does not know of them, and D1 would
    /// show for ever what was theirs.
    left: VecDeque<PatternId>,
    /// Whether the row says less.
    is_changed: bool,
}

impl Slices {
    /// Remembers a slice. Of a domain object of an older build, which does not say for which erasure it asks, nothing is.
    pub(super) fn push(&mut self, slice: Slice) {
        if slice.erasure.is_empty() {
            return;
        }
        self.is_changed = true;
        self.last.retain(|known| known.erasure != slice.erasure);
        self.last.push_back(slice);
        while self.last.len() > SLICES_MAX {
            self.last.pop_front();
        }
    }

    /// Remembers patterns that left, and forgets those of which D1 `has_heard`.
    pub(super) fn note_left(&mut self, left: &[PatternId], has_heard: impl Fn(PatternId) -> bool) {
        self.left.retain(|known| !left.contains(known) && !has_heard(*known));
        self.left.extend(left);
        self.left.drain(..self.left.len().saturating_sub(LEFT_MAX));
        self.is_changed |= !left.is_empty();
    }

    /// Patterns that left with a user, of which D1 may not have heard.
    pub(super) fn left(&self) -> impl Iterator<Item = PatternId> {
        self.left.iter().copied()
    }

    /// The row, if it has to be written.
    pub(super) fn take_row(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_changed).then(|| self.write())
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(1);
        out.uint(self.last.len() as u64);
        for slice in &self.last {
            out.text(&slice.erasure);
            out.uint(slice.after);
            out.uint(slice.cursor);
            out.u8(u8::from(slice.is_done));
            write_counts(&mut out, &slice.counts);
            write_sent(&mut out, &slice.sent);
        }
        // Behind everything that earlier builds know: they read the row without it.
        for slice in &self.last {
            out.int(slice.reached.map_or(i64::MIN, |at| at.0));
        }
        out.uint(self.left.len() as u64);
        self.left.iter().for_each(|id| out.uint(id.0));
        out.into_bytes()
    }

    pub(super) fn read(row: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(row);
        if input.u8()? != 1 {
            return Err(ReadError::Unknown("version of the slices"));
        }
        let mut slices = Self::default();
        for _ in 0..input.count()? {
            slices.push(Slice {
                erasure: input.text()?.to_owned(),
                after: input.uint()?,
                cursor: input.uint()?,
                is_done: input.u8()? == 1,
                counts: read_counts(&mut input)?,
                sent: read_sent(&mut input)?,
                reached: None,
            });
        }
        if !input.is_empty() {
            for slice in &mut slices.last {
                slice.reached = Some(Timestamp(input.int()?)).filter(|at| at.0 != i64::MIN);
            }
            for _ in 0..input.count()? {
                slices.left.push_back(PatternId(input.uint()?));
            }
        }
        slices.is_changed = false;
        Ok(slices)
    }
}

impl StreamMachine {
    /// The answer to a call that came before, if this is one: what was said then, or of a call that is overtaken nothing.
    pub fn known_slice(&self, erasure: &str, after: u64) -> Option<Slice> {
        let last = self.slices.last.iter().find(|slice| slice.erasure == erasure)?;
        let is_overtaken = after < last.after || (last.is_done && after > last.after);
        match after {
            _ if is_overtaken => Some(Slice { erasure: erasure.to_owned(), after, cursor: after, ..Slice::default() }),
            after if after == last.after => Some(last.clone()),
            _ => None,
        }
    }

    /// What the next rows hold of a user.
    ///
    /// # Errors
    /// The store's.
    pub fn find_user<S: StreamStore>(&self, store: &S, search: &UserSearch<'_>) -> Result<Found, S::Error> {
        let to = if search.is_dry_run { self.last_seq() } else { self.folded_seq() };
        let mut found = Found { cursor: search.after, is_done: true, ..Found::default() };
        let (mut rows, mut records) = (0, 0);
        store.rows_after(search.after, &mut |row| {
            if row.seq > to {
                return false;
            }
            if rows >= search.room.rows || records >= search.room.records {
                found.is_done = false;
                return false;
            }
            (rows, records) = (rows + 1, records + u64::from(row.count));
            found.cursor = row.seq;
            if row.kind == RowKind::Segments && row.count > 0 {
                self.find_in_row(&row, search, &mut found);
            }
            true
        })?;
        Ok(found)
    }

    fn find_in_row(&self, row: &Row, search: &UserSearch<'_>, found: &mut Found) {
        let (Ok(retracted), Ok(heads)) = (without_user(&row.body, search.user), Heads::decode(&row.heads)) else {
            found.unreadable += 1;
            return;
        };
        let Some(retracted) = retracted else { return };
        found.bodies.push((row.seq, retracted.body));
        for (index, record) in retracted.lines {
            if self.may_be_sent(row.seq, index, search.is_sending) {
                found.sent.add(Sent { records: 1, span: Some((row.at, row.at)) });
            }
            let pattern = heads.pattern_at(usize::from(index));
            found.lines.push(Line { at: row.at, seq: row.seq, index, pattern, record });
        }
    }

    /// Whether the data service has a record, or may have it: of a request that failed nobody knows whether it arrived.
    fn may_be_sent(&self, seq: u64, index: u16, is_sending: bool) -> bool {
        let service = &self.data_service;
        let is_passed = seq <= service.cursor || seq == service.cursor + 1 && u32::from(index) < service.index;
        let is_in_doubt = is_sending || service.failures > 0;
        is_passed && service.delivered > 0 || self.settings.has_data_service && is_in_doubt
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Effects, Event, Identity, Retraction, StreamSettings};
    use super::*;
    use crate::record::Record;
    use crate::segment;
    use std::collections::BTreeSet;

    fn identity() -> Identity {
        Identity { domain: "d".into(), component: "cart".into(), shard: 0 }
    }

    fn machine() -> StreamMachine {
        let settings = StreamSettings { has_data_service: true, ..StreamSettings::default() };
        StreamMachine::new(identity(), settings)
    }

    fn slice(erasure: &str, after: u64, is_done: bool) -> Slice {
        let (counts, sent) = (Counts::from([("records".into(), after + 1)]), Sent { records: 1, span: None });
        Slice { erasure: erasure.into(), after, cursor: after + 10, is_done, counts, sent, reached: None }
    }

    fn retract(machine: &mut StreamMachine, slice: Slice) -> Effects {
        let retraction = Retraction { user: "bob".into(), lines: Vec::new(), rows_gone: BTreeSet::new(), slice };
        machine.handle(Event::Retract(retraction), Timestamp(1_000))
    }

    fn restored(machine: &mut StreamMachine) -> StreamMachine {
        let checkpoint = machine.checkpoint();
        let (state, slices) = (Some(checkpoint.state), checkpoint.slices);
        let stored = super::super::Stored { state, slices, ..Default::default() };
        StreamMachine::restore(identity(), machine.settings().clone(), stored).unwrap()
    }

    #[test]
    fn whoever_asks_again_is_told_the_same_and_a_late_call_begins_nothing() {
        let mut machine = machine();
        assert_eq!(machine.checkpoint().slices, None);
        assert_eq!(machine.known_slice("u1", 0), None);
        let effects = retract(&mut machine, slice("u1", 0, false));
        assert!(effects.checkpoint, "it is written with what it changed");
        let mut machine = restored(&mut machine);
        assert_eq!(machine.known_slice("u1", 0), Some(slice("u1", 0, false)), "a crash does not forget it");
        assert_eq!((machine.known_slice("u1", 10), machine.known_slice("u2", 0)), (None, None));
        let told = retract(&mut machine, slice("u1", 10, true)).slice;
        let late = machine.known_slice("u1", 0).unwrap();
        assert_eq!((late.cursor, late.is_done, late.counts.len()), (0, false, 0), "the plan is past that");
        assert_eq!(machine.known_slice("u1", 10), told);
        let mut told = (0..SLICES_MAX).map(|number| retract(&mut machine, slice(&format!("v{number}"), 0, true)).slice);
        let first = told.next().unwrap();
        assert_eq!(told.count(), SLICES_MAX - 1);
        assert_eq!(machine.known_slice("u1", 10), None, "the oldest makes room");
        assert_eq!(machine.known_slice("v0", 0), first);
        retract(&mut machine, slice("", 0, true));
        assert_eq!(machine.known_slice("", 0), None, "an older build does not say which erasure it means");
    }

    #[test]
    fn the_last_slice_says_up_to_when_it_holds_and_what_comes_next_comes_later() {
        let mut machine = machine();
        let effects = retract(&mut machine, slice("u1", 0, false));
        assert_eq!(effects.slice.unwrap().reached, None, "there is more to come");
        let effects = retract(&mut machine, slice("u1", 10, true));
        assert_eq!(effects.slice.unwrap().reached, Some(Timestamp(1_000)));
        let mut machine = restored(&mut machine);
        assert_eq!(
            machine.known_slice("u1", 10).unwrap().reached,
            Some(Timestamp(1_000)),
            "whoever asks again hears it"
        );
        let record = Record { message: "a".into(), component: "cart".into(), ..Record::default() };
        let batch = Batch { segments: segment::encode(&[record]), ..Batch::default() };
        // In the same millisecond, and by a clock that was set back.
        for (now, at) in [(1_000, 1_001), (5, 1_001), (2_000, 2_000)] {
            let effects = machine.handle(Event::Append(vec![batch.clone()]), Timestamp(now));
            assert_eq!(effects.rows.iter().map(|row| row.at).collect::<Vec<_>>(), [Timestamp(at)]);
        }
    }

    #[test]
    fn the_row_of_an_earlier_build_is_read_and_an_earlier_build_reads_ours() {
        let mut slices = Slices::default();
        for (name, reached) in [("u1", Some(Timestamp(7))), ("u2", None)] {
            slices.push(Slice { reached, ..slice(name, 3, true) });
        }
        slices.note_left(&[PatternId(5)], |_| false);
        let row = slices.take_row().unwrap();
        assert_eq!(Slices::read(&row).unwrap(), slices);
        let mut tail = Writer::new();
        tail.int(7);
        tail.int(i64::MIN);
        [1, 5].into_iter().for_each(|left| tail.uint(left));
        let before = row.strip_suffix(tail.into_bytes().as_slice()).expect("what is new stands behind the rest");
        let read = Slices::read(before).unwrap();
        assert!(read.left.is_empty() && read.last.iter().all(|slice| slice.reached.is_none()));
        assert_eq!(read.last.iter().map(|slice| slice.erasure.as_str()).collect::<Vec<_>>(), ["u1", "u2"]);
    }

    #[test]
    fn of_what_may_have_arrived_at_the_data_service_it_is_said_that_it_did() {
        let mut machine = machine();
        let record = Record { message: "a".into(), component: "cart".into(), ..Record::default() };
        let segments = segment::encode(&[record.clone(), record]);
        machine.handle(Event::Append(vec![Batch { segments, ..Batch::default() }]), Timestamp(1_000));
        let sent = |machine: &StreamMachine, is_sending| [0, 1].map(|index| machine.may_be_sent(1, index, is_sending));
        assert_eq!((sent(&machine, false), sent(&machine, true)), ([false; 2], [true; 2]));
        let taken = Event::DataAdvanced { cursor: 0, index: 1, delivered: 1, undeliverable: 0 };
        machine.handle(taken, Timestamp(2_000));
        assert_eq!(sent(&machine, false), [true, false]);
        machine.handle(Event::DataFailed("timeout".into()), Timestamp(3_000));
        assert_eq!(sent(&machine, false), [true, true], "nobody knows what became of a request that failed");
    }
}
