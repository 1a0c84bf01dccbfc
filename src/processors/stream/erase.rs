//! Erasing the whole object, or one user's records in it.
//!
//! The whole: nothing may come back from what was under way: the inner object closes first, so that whatever waits for an answer
//! finds no machine when it goes on; then the alarm and all rows go at once, and the next call meets a fresh object.
//! While something of ours is still on its way outside (an alarm is worked off, an alert handed over), the caller is
//! told to come again, so that nothing of the old life arrives after it is gone.
//!
//! One user's records, a slice of rows at a call: rows are rewritten and what was folded from them is taken back in one
//! commit, so that a crash between two slices leaves each either done or not begun. Only rows that are folded are touched;
//! what came after is folded first.

use super::now;
use super::{Inner, StreamObject, json};
use crate::processors::calls::{EraseAnswer, EraseCall, EraseUserAnswer, EraseUserCall, SentView, without_exemplars};
use crate::storage::fault::Fault;
use crate::storage::sql::Sql;
use crate::storage::stream_rows::StreamRows;
use sapwood_engine::machine::erasure::{Counts, Sent, add_counts};
use sapwood_engine::machine::retract::without_user;
use sapwood_engine::machine::row::{Heads, Row, RowKind};
use sapwood_engine::machine::stream::{Event, Line, Retraction};
use sapwood_engine::time::Millis;
use std::collections::BTreeSet;
use std::rc::Rc;
use worker::Response;

/// Rows and records that one slice opens.
const SLICE_ROWS: usize = 500;
const SLICE_RECORDS: u64 = 20_000;

/// How long an object stays closed for a caller who was told to come again: longer than the domain object ever waits
/// between two tries. One who does not come (a call that arrived twice, or late) must not keep it closed.
const CLOSING: Millis = Millis::from_mins(10);

/// What a slice of rows holds of a user.
#[derive(Default)]
struct Found {
    lines: Vec<Line>,
    /// New bodies by row.
    bodies: Vec<(u64, Vec<u8>)>,
    /// Ids of the records.
    ids: BTreeSet<String>,
    sent: Sent,
    unreadable: u64,
    cursor: u64,
    is_done: bool,
}

impl StreamObject {
    pub(super) async fn erase(&self, inner: &Rc<Inner>, body: &[u8]) -> Result<Response, Fault> {
        let call: EraseCall = serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))?;
        let (answer, is_gone) = inner.erase(&call).await?;
        if is_gone {
            self.inner.replace(Inner::new(Rc::clone(&self.state), self.env.clone()));
        }
        json(&answer)
    }
}

impl Inner {
    /// Erases everything; what that was, and whether this inner object is to be replaced.
    async fn erase(&self, call: &EraseCall) -> Result<(EraseAnswer, bool), Fault> {
        let nothing = || (EraseAnswer::default(), false);
        if self.is_erased.get() {
            // Done by another call while this one was on its way in.
            return Ok(nothing());
        }
        if !self.is_closing() {
            let rows = StreamRows::open(Sql::new(&self.state.storage()))?;
            if rows.identity()?.is_none() {
                return Ok(nothing());
            }
            self.meet(&call.address)?;
            let is_newer =
                self.with_live(|live| Ok(live.machine.is_registered() && live.machine.view().version >= call.version))?;
            if is_newer {
                return Ok(nothing());
            }
        }
        let rows = StreamRows::open(Sql::new(&self.state.storage()))?;
        let answer = EraseAnswer { counts: rows.holdings()?, sent: self.sent(&rows)?, is_busy: false };
        if call.is_dry_run {
            return Ok((answer, false));
        }
        self.closing_until.set(now().plus(CLOSING));
        self.live.take();
        if self.is_awake.get() || self.is_handing_over.get() || self.intake.is_busy() {
            return Ok((EraseAnswer { is_busy: true, ..answer }, false));
        }
        self.is_erased.set(true);
        let storage = self.state.storage();
        let fault = |error: worker::Error| Fault::new("erase the object", error);
        let erased = async {
            storage.delete_alarm().await.map_err(fault)?;
            storage.delete_all().await.map_err(fault)?;
            storage.sync().await.map_err(fault)
        };
        let erased: Result<(), Fault> = erased.await;
        self.is_erased.set(erased.is_ok());
        erased.map(|()| (answer, true))
    }

    /// What the data service was sent, as far as rows still tell.
    fn sent(&self, rows: &StreamRows) -> Result<SentView, Fault> {
        let sink = rows.data_service_sink()?;
        if sink.delivered == 0 {
            return Ok(SentView::default());
        }
        Ok(Sent { records: sink.delivered, span: rows.journal().received_between(sink.cursor)? }.into())
    }
}

impl Inner {
    /// Erases, or counts, a user's records in the rows after the cursor.
    pub(super) fn erase_user(&self, call: &EraseUserCall) -> Result<EraseUserAnswer, Fault> {
        if !self.has_rows() {
            return Ok(EraseUserAnswer { cursor: call.cursor, is_done: true, ..EraseUserAnswer::default() });
        }
        self.meet(&call.address)?;
        if !call.is_dry_run {
            self.transition(Event::Fold, now())?;
        }
        let found = self.with_live(|live| live.find_user(call, self.is_awake.get()))?;
        let mut counts = Counts::from([("records".to_owned(), found.lines.len() as u64)]);
        counts.insert("rows".to_owned(), found.bodies.len() as u64);
        counts.insert("unreadable_rows".to_owned(), found.unreadable);
        let (cursor, is_done, sent) = (found.cursor, found.is_done, found.sent);
        if !call.is_dry_run && (is_done || !found.lines.is_empty()) {
            add_counts(&mut counts, &self.retract(&call.user, found)?);
        }
        counts.retain(|_, count| *count > 0);
        Ok(EraseUserAnswer { counts, sent: sent.into(), cursor, is_done })
    }

    fn retract(&self, user: &str, found: Found) -> Result<Counts, Fault> {
        let Found { lines, bodies, ids, is_done, .. } = found;
        let (rows_gone, alerts) = self.with_live(|live| {
            // Exemplars of which nobody knows whose they are go with their rows; it is enough to look at the end.
            let unknown = if is_done { live.machine.rows_of_unknown_owners() } else { BTreeSet::new() };
            Ok((live.rows.journal().missing(unknown)?, live.rows.alerts()?))
        })?;
        let alerts: Vec<_> = alerts
            .into_iter()
            .filter_map(|(id, body)| Some((id, without_exemplars(&body, |shown| ids.contains(shown))?)))
            .collect();
        let stripped: u64 = alerts.iter().map(|(_, (_, gone))| gone).sum();
        let retraction = Retraction { user: user.to_owned(), lines, rows_gone };
        let write = move |rows: &StreamRows| {
            rows.journal().set_all_bodies(bodies)?;
            alerts.iter().try_for_each(|(id, (body, _))| rows.set_alert(id, body))
        };
        let effects = self.transition_with(Event::Retract(retraction), now(), Some(Box::new(write)))?;
        let mut counts = effects.retracted;
        add_counts(&mut counts, &Counts::from([("exemplars_of_waiting_alerts".to_owned(), stripped)]));
        Ok(counts)
    }
}

impl super::Live {
    /// What the rows after a cursor hold of a user. Of what may be on its way to the data service at this moment it is
    /// said that it was sent.
    fn find_user(&self, call: &EraseUserCall, is_sending: bool) -> Result<Found, Fault> {
        let to = if call.is_dry_run { self.machine.last_seq() } else { self.machine.folded_seq() };
        let mut found = Found { cursor: call.cursor, is_done: true, ..Found::default() };
        let (mut rows, mut records) = (0, 0);
        self.rows.journal().rows_after(call.cursor, &mut |row| {
            if row.seq > to {
                return false;
            }
            if rows >= SLICE_ROWS || records >= SLICE_RECORDS {
                found.is_done = false;
                return false;
            }
            (rows, records) = (rows + 1, records + u64::from(row.count));
            found.cursor = row.seq;
            if row.kind == RowKind::Segments && row.count > 0 {
                self.find_in_row(&row, &call.user, is_sending, &mut found);
            }
            true
        })?;
        Ok(found)
    }

    fn find_in_row(&self, row: &Row, user: &str, is_sending: bool, found: &mut Found) {
        let (Ok(retracted), Ok(heads)) = (without_user(&row.body, user), Heads::decode(&row.heads)) else {
            found.unreadable += 1;
            return;
        };
        let Some(retracted) = retracted else { return };
        found.bodies.push((row.seq, retracted.body));
        let service = self.machine.data_service();
        let is_on = self.machine.settings().has_data_service;
        for (index, record) in retracted.lines {
            let is_sent =
                row.seq <= service.cursor || row.seq == service.cursor + 1 && u32::from(index) < service.index;
            if is_sent && service.delivered > 0 || is_on && is_sending {
                found.sent.add(Sent { records: 1, span: Some((row.at, row.at)) });
            }
            found.ids.insert(self.machine.record_id(row.at, row.seq, index).to_string());
            let pattern = heads.pattern_at(usize::from(index));
            found.lines.push(Line { seq: row.seq, index, pattern, record });
        }
    }
}
