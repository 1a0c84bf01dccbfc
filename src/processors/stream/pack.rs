//! Making blocks of old rows, in slices: one block a turn, a few blocks an alarm, intake in between.
//!
//! What is packed, and when, is the machine's decision; a block and what it hides are one commit. If it fails the machine
//! is forgotten, as after any failed write, and its alarm asks again later.

use super::{Inner, now};
use crate::monitoring::report;
use crate::storage::fault::Fault;
use crate::storage::sql;
use sapwood_engine::limits;
use sapwood_engine::machine::stream::{Event, StreamStore};

/// Parts of the journal: after so many turns nothing of it is hidden any more.
const PARTS: usize = 2;

impl Inner {
    pub(super) async fn pack(&self) -> Result<(), Fault> {
        // If there was no end of it, soon again.
        let mut due = Some(now());
        for _ in 0..limits::BLOCKS_TOGETHER {
            let mut live = self.take_live(None)?;
            let next = live.machine.next_block(&live.rows, now())?;
            let Some(packing) = next.packing else {
                self.live.replace(Some(live));
                due = next.due;
                break;
            };
            for (seq, error) in packing.block.iter().flat_map(|block| &block.unreadable) {
                self.damaged_rows.set(self.damaged_rows.get() + 1);
                report("RowUnreadable", &[("seq", seq), ("error", error)]);
            }
            if let Some(unfit) = packing.unfit {
                let why = format!("{unfit:?}");
                report("RowsNotPacked", &[("from", &packing.seq_first), ("to", &packing.seq_last), ("why", &why)]);
            }
            let live = sql::atomically(&self.state.storage(), "write a block", move || {
                live.rows.store_block(&packing)?;
                Ok(live)
            })?;
            self.live.replace(Some(live));
            // On disk before the next is begun; others have their turn meanwhile.
            self.state.storage().sync().await.map_err(|error| Fault::new("write a block", error))?;
        }
        self.transition(Event::Packed(due), now())?;
        self.turn_journal_over();
        Ok(())
    }

    /// Gives back the room of rows that blocks hide, if everything is folded. What fails is done another time.
    pub(super) fn turn_journal_over(&self) {
        for _ in 0..PARTS {
            let turned = self.with_live(|live| {
                let is_folded = live.machine.folded_seq() == live.machine.last_seq();
                Ok(is_folded && live.rows.journal().has_hidden_part()?)
            });
            let turned = turned.and_then(|is_due| {
                if !is_due {
                    return Ok(false);
                }
                let live = self.take_live(None)?;
                let live = sql::atomically(&self.state.storage(), "turn the journal over", move || {
                    live.rows.journal().turn_over()?;
                    Ok(live)
                })?;
                self.live.replace(Some(live));
                Ok(true)
            });
            match turned {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => return report("JournalNotTurnedOver", &[("fault", &fault)]),
            }
        }
    }
}
