//! Between the machine and whoever keeps its rows: in which order effects are written, and how a machine comes back.
//!
//! The shell keeps rows in SQLite, the simulator in memory with a disk that crashes; both go through here, so what the
//! simulator breaks is what is shipped.

use super::packing::{LooseRow, Packing};
use super::thinning::{PlaceOutline, Thinning};
use super::{Checkpoint, Effects, Identity, Stored, StreamMachine, StreamSettings};
use crate::bytes::ReadError;
use crate::counter::Rollup;
use crate::machine::outbox::Due;
use crate::machine::row::{Row, RowKind};
use crate::time::Timestamp;
use crate::triage::Alert;

/// What a row says of itself without its records.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    /// Sequence.
    pub seq: u64,
    /// Kind; `None` for one of a later build.
    pub kind: Option<RowKind>,
    /// Accepted records.
    pub count: u32,
    /// One bit for each level class that a record has.
    pub levels: u8,
}

/// Rows of one stream object. What is written between two awaits is one commit: all of it is durable, or none.
pub trait StreamStore {
    /// Why rows could not be read or written.
    type Error;

    /// Appends a row to the journal.
    ///
    /// # Errors
    /// As [`StreamStore::Error`]; so all others.
    fn append(&mut self, row: &Row) -> Result<(), Self::Error>;
    /// Puts an alert into the outbox; one that is there already stays as it is.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn add_alert(&mut self, alert: &Alert, due: Due, identity: &Identity) -> Result<(), Self::Error>;
    /// Takes an alert out of the outbox.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn remove_alert(&mut self, id: &str) -> Result<(), Self::Error>;
    /// Writes the rows of D1's and the data service's sinks.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn set_sinks(&mut self, d1: Vec<u8>, data_service: Vec<u8>) -> Result<(), Self::Error>;
    /// Writes a checkpoint: replaces rows, merges the counts of its hours into those that are there.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Self::Error>;
    /// Writes when to make blocks.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn set_packing(&mut self, row: Vec<u8>) -> Result<(), Self::Error>;
    /// Writes what is known of the component's shards.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn set_sharding(&mut self, row: Vec<u8>) -> Result<(), Self::Error>;
    /// Stores a block, and sets aside what stays beside it. In the same commit the rows of the span leave the journal.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn store_block(&mut self, packing: &Packing) -> Result<(), Self::Error>;
    /// Replaces records by husks, removes the places that leave whole, and writes the row with the cursors; all in one
    /// commit.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn store_thinning(&mut self, thinning: &Thinning) -> Result<(), Self::Error>;

    /// Everything that restores a machine, and the number of rows that could not be read.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn stored(&self) -> Result<(Stored, u64), Self::Error>;
    /// All stored hours that can be read.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn all_rollups(&self) -> Result<Vec<(Timestamp, Rollup)>, Self::Error>;
    /// Whole rows with `seq > after`, oldest first, those of blocks and those set aside among them, until `visit` says that it has enough.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn rows_after(&self, after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), Self::Error>;
    /// One whole row.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn row(&self, seq: u64) -> Result<Option<Row>, Self::Error>;
    /// Outlines of the rows with `after < seq <= to`, oldest first, at most `room` of them.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn outlines(&self, after: u64, to: u64, room: u32) -> Result<Vec<Outline>, Self::Error>;
    /// The oldest rows that are neither in a block nor set aside, oldest first, at most `room` of them.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn loose(&self, room: u32) -> Result<Vec<LooseRow>, Self::Error>;
    /// Rows and blocks with records whose last sequence is greater, in order, at most `room` of them.
    ///
    /// # Errors
    /// See [`StreamStore::append`].
    fn places_after(&self, after: u64, room: u32) -> Result<Vec<PlaceOutline>, Self::Error>;
}

/// What a machine is given under a domain's own values, name and value.
pub type SettingsOf<'a> = dyn Fn(&[(String, String)]) -> StreamSettings + 'a;

/// A machine that came back, and what was wrong with its rows.
#[derive(Debug)]
pub struct Restored {
    /// The machine, with the journal folded.
    pub machine: StreamMachine,
    /// Rows that could not be read: they are set aside.
    pub damaged: u64,
    /// Why the state row could not be used, if so: totals came from the rollups.
    pub rebuilt: Option<ReadError>,
    /// The journal rows that could not be folded, and why.
    pub unreadable: Vec<(u64, ReadError)>,
}

impl Effects {
    /// Whether writing them takes more than one statement, so that a store has to see to it that none stays alone.
    pub fn takes_a_transaction(&self) -> bool {
        let statements = self.rows.len() + self.alerts.len() + self.delivered.len() + usize::from(self.packing_changed);
        statements > 1 || self.sinks_changed || self.checkpoint || self.sharding_changed
    }

    /// Writes the rows of a transition, in the order that [`Effects`] states; all in one commit of the store.
    ///
    /// # Errors
    /// The store's. The machine is then ahead of its rows and must be forgotten.
    pub fn write<S: StreamStore>(&self, machine: &mut StreamMachine, store: &mut S) -> Result<(), S::Error> {
        for row in &self.rows {
            store.append(row)?;
        }
        for (alert, due) in &self.alerts {
            store.add_alert(alert, *due, machine.identity())?;
        }
        for id in &self.delivered {
            store.remove_alert(id)?;
        }
        if self.sinks_changed {
            store.set_sinks(machine.d1().encode(), machine.data_service().encode())?;
        }
        if self.checkpoint {
            store.checkpoint(machine.checkpoint())?;
        }
        if self.sharding_changed
            && let Some(row) = machine.write_sharding()
        {
            store.set_sharding(row)?;
        }
        if self.packing_changed {
            store.set_packing(machine.write_packing())?;
        }
        Ok(())
    }
}

impl StreamMachine {
    /// A machine from its rows: the checkpoint, then the journal after it, each row under the settings that were in force
    /// when it was handled. `settings_of` says what follows from the domain's own values.
    ///
    /// # Errors
    /// The store's. A damaged row costs only itself and is told in [`Restored`].
    pub fn load<S: StreamStore>(
        identity: Identity,
        settings_of: &SettingsOf<'_>,
        store: &S,
    ) -> Result<Restored, S::Error> {
        let settings = settings_of(&[]);
        let (stored, mut damaged) = store.stored()?;
        let (mut machine, rebuilt) = match Self::restore(identity.clone(), settings.clone(), stored) {
            Ok(machine) => (machine, None),
            Err(error) => {
                let rollups = store.all_rollups()?;
                (Self::rebuild(identity, settings, store.stored()?.0, rollups), Some(error))
            }
        };
        let mut unreadable = Vec::new();
        let mut overrides = Vec::new();
        let follow = |machine: &mut StreamMachine, overrides: &mut Vec<(String, String)>| {
            if machine.view().overrides != *overrides {
                overrides.clone_from(&machine.view().overrides);
                machine.set_settings(settings_of(overrides));
            }
        };
        if !machine.view.overrides.is_empty() {
            overrides.clone_from(&machine.view.overrides);
            machine.take_settings(settings_of(&overrides));
        }
        store.rows_after(machine.folded_seq(), &mut |row| {
            if let Err(error) = machine.replay(&row) {
                damaged += 1;
                unreadable.push((row.seq, error));
            }
            if row.kind == RowKind::Event {
                follow(&mut machine, &mut overrides);
            }
            true
        })?;
        machine.follow_retention();
        Ok(Restored { machine, damaged, rebuilt, unreadable })
    }
}
