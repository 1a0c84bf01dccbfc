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
use sapwood_engine::machine::erasure::Sent;
use sapwood_engine::machine::stream::{Event, Found, Line, Retraction, Slice, SliceRoom, UserSearch};
use sapwood_engine::time::Millis;
use std::collections::BTreeSet;
use std::rc::Rc;
use worker::Response;

/// Rows and records that one slice opens.
const ROOM: SliceRoom = SliceRoom { rows: 500, records: 20_000 };

/// How long an object stays closed for a caller who was told to come again: longer than the domain object ever waits
/// between two tries. One who does not come (a call that arrived twice, or late) must not keep it closed.
const CLOSING: Millis = Millis::from_mins(10);

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
    /// Erases, or counts, a user's records in the rows after the cursor. A call that comes again is told what it was told
    /// before.
    pub(super) fn erase_user(&self, call: &EraseUserCall) -> Result<EraseUserAnswer, Fault> {
        if !self.has_rows() {
            // Copies may be there of what was here once; whatever begins here from now on is received later.
            let reached_ms = Some(now().0);
            return Ok(EraseUserAnswer {
                cursor: call.cursor,
                is_done: true,
                reached_ms,
                ..EraseUserAnswer::default()
            });
        }
        self.meet(&call.address)?;
        if !call.is_dry_run {
            let known = self.with_live(|live| Ok(live.machine.known_slice(&call.erasure, call.cursor)))?;
            if let Some(known) = known {
                return Ok(answer_of(known));
            }
            self.transition(Event::Fold, now())?;
        }
        let is_sending = self.is_awake.get();
        let found = self.with_live(|live| {
            let (user, after, is_dry_run) = (call.user.as_str(), call.cursor, call.is_dry_run);
            live.machine.find_user(&live.rows, &UserSearch { user, after, room: ROOM, is_dry_run, is_sending })
        })?;
        let slice = Slice {
            erasure: call.erasure.clone(),
            after: call.cursor,
            cursor: found.cursor,
            is_done: found.is_done,
            counts: found.counts(),
            sent: found.sent,
            reached: None,
        };
        let is_worth_it = !call.is_dry_run && (found.is_done || !found.lines.is_empty());
        Ok(answer_of(if is_worth_it { self.retract(&call.user, found, slice)? } else { slice }))
    }

    fn retract(&self, user: &str, found: Found, mut slice: Slice) -> Result<Slice, Fault> {
        let Found { lines, bodies, is_done, .. } = found;
        let (ids, rows_gone, alerts) = self.with_live(|live| {
            let machine = &live.machine;
            let id = |line: &Line| machine.record_id(line.at, line.seq, line.index).to_string();
            let ids: BTreeSet<String> = lines.iter().map(id).collect();
            // Exemplars of which nobody knows whose they are go with their rows; it is enough to look at the end.
            let unknown = if is_done { machine.rows_of_unknown_owners() } else { BTreeSet::new() };
            Ok((ids, live.rows.journal().missing(unknown)?, live.rows.alerts()?))
        })?;
        let alerts: Vec<_> = alerts
            .into_iter()
            .filter_map(|(id, body)| Some((id, without_exemplars(&body, |shown| ids.contains(shown))?)))
            .collect();
        let stripped: u64 = alerts.iter().map(|(_, (_, gone))| gone).sum();
        if stripped > 0 {
            slice.counts.insert("exemplars_of_waiting_alerts".to_owned(), stripped);
        }
        let retraction = Retraction { user: user.to_owned(), lines, rows_gone, slice };
        let write = move |rows: &StreamRows| {
            rows.journal().set_all_bodies(bodies)?;
            alerts.iter().try_for_each(|(id, (body, _))| rows.set_alert(id, body))
        };
        let effects = self.transition_with(Event::Retract(retraction), now(), Some(Box::new(write)))?;
        effects.slice.ok_or_else(|| Fault::new("erase a user's records", "no answer"))
    }
}

fn answer_of(slice: Slice) -> EraseUserAnswer {
    let Slice { counts, sent, cursor, is_done, reached, .. } = slice;
    EraseUserAnswer { counts, sent: sent.into(), cursor, is_done, reached_ms: reached.map(|at| at.0) }
}
