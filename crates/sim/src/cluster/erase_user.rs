//! Erasing one user's records while everything else goes on and goes wrong.
//!
//! What is found in the rows, what is taken back of what was folded, and what a call that comes again is told is the
//! product's code. What must be true of it is held against what was durable when the administrator asked: all of that is
//! gone from rows, blocks, D1 and from what patterns show; nobody else's record was touched, nor one that came after the
//! erasure was over; what came after its stream was through keeps its copy in D1; and the receipts add up to what is gone.

use super::disk::WriteFailed;
use super::message::{Answer, CallId};
use super::mutant::Mutant;
use super::stream::StreamObject;
use super::world::{Parcel, World};
use sapwood_engine::machine::domain::{Answer as Reply, Event as Input};
use sapwood_engine::machine::erasure::Scope;
use sapwood_engine::machine::row::{RowKind, records};
use sapwood_engine::machine::stream::{Event as StreamInput, Retraction, Slice, SliceRoom, StreamMachine, UserSearch};
use sapwood_engine::record_id::RecordId;
use sapwood_engine::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What one slice opens: so little that most erasures take some.
const ROOM: SliceRoom = SliceRoom { rows: 12, records: 60 };

/// A record's row, and its place in the row.
type At = (u64, usize);

/// What a stream held of a user when somebody asked for its erasure.
#[derive(Clone, Debug)]
struct Held {
    /// How often the stream had been erased.
    times: u32,
    places: BTreeSet<At>,
    /// The last row when the erasure was over.
    last: Option<u64>,
}

/// Somebody asked for the erasure of a user.
#[derive(Clone, Debug)]
pub struct Asked {
    id: String,
    user: String,
    only: Option<usize>,
    /// Components there are: streams that differ by this many are shards of one.
    components: usize,
    /// By stream.
    held: BTreeMap<usize, Held>,
    /// When a stream was through, by its clock, and whether it had anything.
    through: BTreeMap<usize, (Timestamp, bool)>,
}

impl Asked {
    /// Whether the sweeps of D1 may take the copy of a record that a stream received at `at` and still has: one that is no
    /// later than when the last shard of its component was through. What a stream receives after it was through itself is
    /// later, unless it began anew.
    pub fn may_sweep(&self, stream: usize, user: Option<&str>, at: Timestamp) -> bool {
        let is_meant = user == Some(&self.user) && self.only.is_none_or(|only| only == stream % self.components);
        let of_component = |of: &&usize| **of % self.components == stream % self.components;
        let shards = self.through.keys().filter(of_component).count();
        let through = self.through.iter().filter(|(of, _)| of_component(of)).map(|(_, through)| through).max();
        let is_swept = |(until, had_rows): &(Timestamp, bool)| at < *until || at == *until && (shards > 1 || !had_rows);
        is_meant && through.is_some_and(is_swept)
    }
}

/// A user's records among the durable ones.
fn places_of(object: &StreamObject, user: &str) -> BTreeSet<At> {
    let rows = object.disk.durable.rows();
    let places = rows.values().filter(|row| row.kind == RowKind::Segments).flat_map(|row| {
        let found = records(&row.body).unwrap_or_default().into_iter().enumerate();
        found
            .filter(|(_, it)| it.user_id.as_deref() == Some(user))
            .map(|(index, _)| (row.seq, index))
            .collect::<Vec<_>>()
    });
    places.collect()
}

impl StreamObject {
    /// The id under which D1 and the data service know a record, as it was before anything was taken out of its row.
    fn id_at(&self, (seq, index): At) -> Option<String> {
        let rows = &self.disk.durable;
        let row = rows.whole.get(&seq).cloned().or_else(|| rows.row(seq))?;
        let record = records(&row.body).ok()?.into_iter().nth(index)?;
        let index = u16::try_from(index).ok()?;
        let ours = RecordId { received_at: row.at, object_tag: self.identity.tag(), seq, index };
        Some(record.id.unwrap_or_else(|| ours.to_string()))
    }
}

impl World {
    /// An administrator erases a user, everywhere or in one component.
    pub(super) fn erase_user(&mut self, user: String, only: Option<usize>) {
        let id = format!("u{}", self.now);
        self.tell(|| format!("user {user} is to be erased in {only:?}"));
        let component = only.map(|stream| self.streams[stream].identity.component.clone());
        let known = &self.domain.disk.current.components;
        let is_meant = |object: &&StreamObject| {
            let name = (object.identity.component.clone(), object.identity.shard);
            only.is_none_or(|only| only == object.number % self.plan.streams) && known.contains_key(&name)
        };
        let held = self.streams.iter().filter(is_meant).map(|object| {
            let times = object.disk.durable.erased.times;
            (object.number, Held { times, places: places_of(object, &user), last: None })
        });
        let held = held.collect();
        let scope = Scope::User { user: user.clone(), fingerprint: format!("#{user}"), component };
        let event = Input::Erase { id: id.clone(), scope, by: "ann".into(), alerts: Vec::new() };
        let Ok(effects) = self.domain_transition(event) else { return };
        if effects.answer == Reply::Erasing(id.clone(), false) {
            let (components, through) = (self.plan.streams, BTreeMap::new());
            self.asked.push(Asked { id, user, only, components, held, through });
        }
        self.erase_due();
    }

    /// Takes note of where journals end when an erasure is over: what comes after it stays.
    pub(super) fn note_finished(&mut self, id: &str) {
        let Some(machine) = &self.domain.live else { return };
        let is_finished = machine.erasure(id).is_some_and(|erasure| erasure.is_finished());
        for asked in self.asked.iter_mut().filter(|asked| asked.id == id) {
            for (stream, held) in &mut asked.held {
                let end = || self.streams[*stream].disk.current.rows().last_key_value().map_or(0, |(seq, _)| *seq);
                held.last = is_finished.then(|| held.last.unwrap_or_else(end));
            }
        }
    }

    // --- the stream -------------------------------------------------------------------------------

    pub(super) fn erase_user_called(&mut self, stream: usize, from: CallId, erasure: &str, user: &str, after: u64) {
        let answer = self.erase_slice(stream, erasure, user, after).map_or(Answer::Failed, Answer::UserErased);
        self.leave_stream(stream, Parcel::Answer(from, answer));
    }

    fn erase_slice(&mut self, stream: usize, erasure: &str, user: &str, after: u64) -> Result<Slice, WriteFailed> {
        let object = &self.streams[stream];
        if object.disk.current.is_blank() || object.closing_until > self.now {
            let reached = self.stream_now(stream);
            self.note_through(stream, erasure, reached, false);
            let (erasure, reached) = (erasure.to_owned(), Some(reached));
            return Ok(Slice { erasure, after, cursor: after, is_done: true, reached, ..Slice::default() });
        }
        let known = self.with_stream(stream, |machine, _| Ok(machine.known_slice(erasure, after)))?;
        if let Some(known) = known.filter(|_| self.mutant != Some(Mutant::SliceForgotten)) {
            return Ok(known);
        }
        if self.mutant != Some(Mutant::UserErasedUnfolded) {
            self.stream_transition(stream, StreamInput::Fold)?;
        }
        let is_sending = self.streams[stream].is_awake;
        let search = UserSearch { user, after, room: ROOM, is_dry_run: false, is_sending };
        let found = self.with_stream(stream, |machine, store| machine.find_user(store, &search))?;
        let slice = Slice {
            erasure: erasure.to_owned(),
            after,
            cursor: found.cursor,
            is_done: found.is_done,
            counts: found.counts(),
            sent: found.sent,
            reached: None,
        };
        if !found.is_done && found.lines.is_empty() {
            return Ok(slice);
        }
        self.tell(|| format!("stream {stream}: slice {after} to {} of {user}: {:?}", slice.cursor, slice.counts));
        let bodies = found.bodies;
        let unknown = self.with_stream(stream, |machine, _| Ok(machine.rows_of_unknown_owners()))?;
        let rows = &self.streams[stream].disk.current;
        let rows_gone = unknown.into_iter().filter(|seq| rows.row(*seq).is_none()).collect();
        let retraction = Retraction { user: user.to_owned(), lines: found.lines, rows_gone, slice: slice.clone() };
        let forgets = self.mutant == Some(Mutant::UserErasedWithoutExemplars);
        let input = if forgets { StreamInput::Fold } else { StreamInput::Retract(retraction) };
        let effects = self.stream_transition_with(stream, input, |store| store.erase_from_rows(user, bodies))?;
        let slice = effects.slice.unwrap_or(slice);
        if let Some(reached) = slice.reached {
            self.note_through(stream, erasure, reached, true);
        }
        Ok(slice)
    }

    fn note_through(&mut self, stream: usize, erasure: &str, reached: Timestamp, had_rows: bool) {
        for asked in self.asked.iter_mut().filter(|asked| asked.id == erasure) {
            let known = asked.through.entry(stream).or_insert((reached, had_rows));
            *known = (reached, had_rows).max(*known);
        }
    }

    // --- what must be true ------------------------------------------------------------------------

    /// Nothing that was durable when somebody asked is left of a user, and nothing else is gone.
    pub(super) fn check_users(&self, wrong: &mut Vec<String>) {
        let domain = self.domain.load();
        let is_known = |asked: &&Asked| domain.erasure(&asked.id).is_some_and(|erasure| erasure.is_finished());
        for asked in self.asked.iter().filter(is_known) {
            for (stream, held) in &asked.held {
                let object = &self.streams[*stream];
                // What began anew since is not meant.
                if let (Some(machine), true) = (&object.live, object.disk.durable.erased.times == held.times) {
                    let problems = self.check_user_gone(object, machine, held);
                    wrong.extend(
                        problems.map(|it| format!("stream {stream}: {} of user {}: {it}", asked.id, asked.user)),
                    );
                }
            }
        }
        for object in &self.streams {
            wrong.extend(self.check_untouched(object).map(|it| format!("stream {}: {it}", object.number)));
        }
    }

    fn check_user_gone(&self, object: &StreamObject, machine: &StreamMachine, held: &Held) -> Option<String> {
        let mut rows: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
        for (seq, row) in object.disk.durable.rows() {
            let husks = records(&row.body).unwrap_or_default();
            rows.insert(seq, husks.iter().map(sapwood_engine::record::Record::is_husk).collect());
        }
        let is_left = |(seq, index): &At| rows.get(seq).and_then(|row| row.get(*index)) == Some(&false);
        if let Some((seq, index)) = held.places.iter().find(|place| is_left(place)) {
            return Some(format!("record {index} of row {seq} is still there"));
        }
        for pattern in machine.miner().patterns() {
            let shown = pattern.exemplars.iter().chain(&pattern.last);
            let mut shown = shown.map(|it| (it.seq, usize::from(it.index)));
            if let Some((seq, index)) = shown.find(|place| held.places.contains(place)) {
                return Some(format!("pattern {} still shows record {index} of row {seq}", pattern.id));
            }
        }
        let here = |of: usize| of == object.number;
        for ((_, id), (row, _)) in self.peers.d1.patterns.iter().filter(|((of, _), _)| here(*of)) {
            if row.shown.iter().any(|(seq, index)| held.places.contains(&(*seq, usize::from(*index)))) {
                return Some(format!("pattern {id} still shows a record in D1"));
            }
        }
        let ids: BTreeSet<String> = held.places.iter().filter_map(|place| object.id_at(*place)).collect();
        let left = self.peers.d1.records.keys().find(|(of, id)| here(*of) && ids.contains(id));
        left.map(|(_, id)| format!("D1 still has {id}"))
    }

    /// What is gone was somebody's who was erased, had come before that was over, and is in the receipts.
    fn check_untouched(&self, object: &StreamObject) -> Option<String> {
        let rows = &object.disk.durable;
        for ((seq, index), (user, is_theirs)) in &rows.retracted {
            let meant: Vec<&Held> = self
                .asked
                .iter()
                .filter(|asked| asked.user == *user)
                .filter_map(|asked| asked.held.get(&object.number))
                .filter(|held| held.times == rows.erased.times)
                .collect();
            if !is_theirs {
                return Some(format!("record {index} of row {seq} went with user {user}, whose it is not"));
            }
            let is_late = |held: &&Held| held.last.is_some_and(|last| *seq > last);
            if !meant.is_empty() && meant.iter().all(is_late) {
                return Some(format!("record {index} of row {seq} came after user {user} was erased, and is gone"));
            }
        }
        // Whoever began anew, or cannot read the state row, does not know what it answered before.
        if rows.erased.times > 0 || object.was_rebuilt {
            return None;
        }
        let (mut gone, mut sent) = (0, 0);
        let domain = self.domain.load();
        for erasure in domain.erasures().filter(|erasure| matches!(erasure.scope, Scope::User { .. })) {
            for part in erasure
                .parts
                .iter()
                .filter(|part| (&part.component, part.shard) == (&object.identity.component, object.identity.shard))
            {
                gone += part.counts.get("records").copied().unwrap_or(0);
                sent += part.sent.records;
            }
        }
        if gone != rows.retracted.len() as u64 {
            return Some(format!("receipts tell of {gone} records, {} are gone", rows.retracted.len()));
        }
        // An object that crashed has forgotten what was on its way.
        let ids = rows.retracted.keys().filter_map(|place| object.id_at(*place));
        let there = ids.filter(|id| self.peers.service.contains_key(id)).count() as u64;
        (object.life == 1 && there > sent)
            .then(|| format!("the data service has {there} records that are gone, receipts tell of {sent}"))
    }
}
