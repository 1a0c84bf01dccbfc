//! Erasing the whole object.
//!
//! Nothing may come back from what was under way: the inner object closes first, so that whatever waits for an answer
//! finds no machine when it goes on; then the alarm and all rows go at once, and the next call meets a fresh object.
//! While something of ours is still on its way outside (an alarm is worked off, an alert handed over), the caller is
//! told to come again, so that nothing of the old life arrives after it is gone.

use super::{Inner, StreamObject, json};
use crate::processors::calls::{EraseAnswer, EraseCall, SentView};
use crate::storage::fault::Fault;
use crate::storage::sql::Sql;
use crate::storage::stream_rows::StreamRows;
use sapwood_engine::machine::erasure::Sent;
use std::rc::Rc;
use worker::Response;

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
        if !self.is_closing.get() {
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
        self.is_closing.set(true);
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
        Ok(Sent { records: sink.delivered, span: rows.received_between(sink.cursor)? }.into())
    }
}
