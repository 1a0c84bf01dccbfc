//! Handing new records to the domain's live tail, while somebody watches.
//!
//! Records are buffered and sent after their commit, one call at a time: while one is on its way the next gather. What
//! does not fit is left out, and the exact number goes along with the next call, also when a call failed.

use super::Inner;
use crate::processors::calls::TailCall;
use sapwood_engine::machine::stream::TailItem;
use serde_json::value::RawValue;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Records that wait for the call under way.
const BUFFERED_MAX: usize = 1_000;
/// Records of one call.
const CALL_RECORDS_MAX: usize = 500;

#[derive(Default)]
pub(super) struct TailBuffer {
    waiting: RefCell<Vec<Box<RawValue>>>,
    skipped: Cell<u64>,
    is_sending: Cell<bool>,
}

impl Inner {
    pub(super) fn show(self: &Rc<Self>, items: Vec<TailItem>) {
        if items.is_empty() {
            return;
        }
        {
            let mut waiting = self.tail.waiting.borrow_mut();
            let room = BUFFERED_MAX.saturating_sub(waiting.len());
            let mut left_out = items.len().saturating_sub(room) as u64;
            for item in items.iter().take(room) {
                let shown = self.with_live(|live| {
                    live.show(&item.record, item.id.seq, item.id.index, item.id.received_at, item.pattern)
                });
                match shown {
                    Ok(record) => waiting.push(record),
                    Err(fault) => {
                        left_out += 1;
                        crate::monitoring::report("RecordNotShown", &[("fault", &fault)]);
                    }
                }
            }
            self.tail.skipped.set(self.tail.skipped.get() + left_out);
        }
        if !self.tail.is_sending.replace(true) {
            let sender = Rc::clone(self);
            self.state.wait_until(async move {
                sender.send_tail().await;
                sender.tail.is_sending.set(false);
            });
        }
    }

    async fn send_tail(&self) {
        loop {
            let records: Vec<_> = {
                let mut waiting = self.tail.waiting.borrow_mut();
                let count = waiting.len().min(CALL_RECORDS_MAX);
                waiting.drain(..count).collect()
            };
            if records.is_empty() {
                return;
            }
            let known = self.with_live(|live| Ok((live.machine.identity().clone(), Rc::clone(&live.config))));
            let Ok((identity, config)) = known else { return };
            let count = records.len() as u64;
            let call = TailCall { component: identity.component, skipped: self.tail.skipped.take(), records };
            match self.stubs(&config).tail(&identity.domain, &call).await {
                Ok(true) => {}
                // Nobody watches any more; the domain object is about to say so with its next view.
                Ok(false) => return self.tail.waiting.borrow_mut().clear(),
                Err(error) => {
                    self.tail.skipped.set(self.tail.skipped.get() + call.skipped + count);
                    crate::monitoring::report("TailCallFailed", &[("error", &error)]);
                    return;
                }
            }
        }
    }
}
