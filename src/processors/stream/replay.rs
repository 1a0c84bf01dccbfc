//! What a stretch of the journal would have raised under other settings.
//!
//! Two fresh machines fold the same rows, one under the settings in force and one under those asked about. Both start
//! with nothing learned, so that they differ by the settings alone; neither is written, and nobody is told.

use super::Live;
use super::read::incident_views;
use crate::processors::calls::{ReplayAnswer, ReplayCall};
use crate::processors::settings;
use crate::storage::fault::Fault;
use sapwood_engine::machine::row::Row;
use sapwood_engine::machine::stream::StreamMachine;
use sapwood_engine::time::Timestamp;

/// Records that one replay folds, twice. At some 20 us each this is a second of the object's time.
const RECORDS_MAX: u64 = 25_000;

impl Live {
    pub(super) fn replay(&self, call: &ReplayCall) -> Result<ReplayAnswer, Fault> {
        let asked = settings::of_domain(&self.config, &call.settings);
        let fresh = |settings| StreamMachine::new(self.machine.identity().clone(), settings);
        let mut machines = [fresh(self.machine.settings().clone()), fresh(settings::stream(&asked))];
        let mut answer = ReplayAnswer { is_complete: true, ..ReplayAnswer::default() };
        let (mut last, mut unreadable) = (Timestamp(0), 0);
        let after =
            self.rows.journal().first_received(Timestamp(call.from_ms))?.map_or(u64::MAX, |seq| seq.saturating_sub(1));
        self.rows.journal().rows_after(after, &mut |row: Row| {
            if row.at.0 >= call.to_ms {
                return false;
            }
            if answer.records + u64::from(row.count) > RECORDS_MAX {
                answer.is_complete = false;
                return false;
            }
            answer.rows += 1;
            answer.records += u64::from(row.count);
            last = row.at;
            // A row that cannot be read costs both machines the same.
            unreadable += u64::from(machines.iter_mut().any(|machine| machine.replay(&row).is_err()));
            true
        })?;
        answer.unreadable_rows = unreadable;
        answer.until_ms = last.0;
        let [now, asked] = machines.map(|machine| incident_views(&machine, last));
        (answer.now, answer.asked) = (now, asked);
        Ok(answer)
    }
}
