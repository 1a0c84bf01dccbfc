//! Broken builds, each with one rule of durability left out, to prove that the checkers see it.

/// A broken build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// The answer leaves before its commit is on disk.
    AnswerBeforeCommit,
    /// Checkpoints leave out the batch keys.
    KeyTableForgotten,
    /// Checkpoints leave out the record ids.
    IdTableForgotten,
    /// Checkpoints leave out the number of the row up to which they fold.
    FoldedNotWritten,
    /// Checkpoints leave out the state row.
    StateNotWritten,
    /// The state and its number are one commit, patterns and counts the next.
    CheckpointInTwoCommits,
    /// Counts of an hour replace those that are there.
    HoursReplaced,
    /// Retention removes rows that are not folded or not delivered.
    RetentionBeforeFold,
    /// The alert reaches the outbox in the turn after the line's.
    AlertInLaterCommit,
    /// The alert leaves the outbox when it is sent, not when it arrived.
    AlertRemovedBeforeArrival,
    /// The machine stays in memory though its rows were not written.
    MemoryKeptAfterFailure,
    /// A turn that fails half-way leaves what it had written.
    PartialCommit,
    /// D1's cursor moves before D1 answered.
    D1CursorBeforeWrite,
    /// The data service's cursor moves before it answered.
    ServiceCursorBeforeAnswer,
    /// Nobody sets an alarm.
    NoAlarm,
    /// Events other than appends are not journaled.
    EventsNotJournaled,
    /// The domain takes an alert anew that it has delivered.
    AlertTakenTwice,
    /// The domain keeps messages in memory only.
    MessagesNotStored,
    /// A retry under its key gets a receipt of its own.
    ReceiptOfTheRetry,
    /// Lines are acknowledged by an object that its domain does not know.
    AcknowledgedUnregistered,
    /// A flush to D1 that comes late replaces a newer one.
    D1IgnoresSequence,
    /// The domain believes that a view arrived without being told so.
    SyncedUnseen,
    /// Grants of quota are not written.
    GrantsForgotten,
    /// The committer answers everybody who waits, not only those of its commit.
    AnswersTooMany,
    /// An alarm is set for the instant of the one that runs, and deleted with it (found by this simulator).
    AlarmAtRunningInstant,
    /// While a delivery is under way no alarm stands behind it (found by this simulator).
    DeliveryWithoutAlarm,
    /// The new database is remembered before the old one's loss is noted (found by this simulator).
    EpochBeforeLoss,
    /// Rows leave in one commit, and the block that holds them comes in the next.
    CompactionNotAtomic,
    /// Blocks are made of rows that are not folded, not delivered, and still asked for by retries.
    CompactionBeforeFold,
    /// What lies between the rows of a block and cannot be packed is not set aside.
    CompactionDropsTheRest,
    /// Nobody makes blocks.
    CompactionNeverRuns,
    /// A stream is believed to be erased without being told so.
    ErasedUnseen,
    /// A stream is erased whatever it was told since.
    NewLifeErased,
    /// D1 is swept once, and nobody is told to send again.
    SweptOnce,
    /// The plan of an erasure is kept in memory only.
    ErasureNotStored,
    /// The journal is replayed under the service's settings, the domain's follow.
    OverridesAfterReplay,
    /// The row that says that records were removed early is written before they are.
    CursorBeforeThinning,
    /// A user's records leave rows, but not blocks.
    UserErasedInRowsOnly,
    /// A user's records leave their rows, and patterns go on showing them.
    UserErasedWithoutExemplars,
    /// A user's records are looked for in what is folded, and nothing is folded before.
    UserErasedUnfolded,
    /// The sweeps of D1 take all copies of a user's records, those that came after the erasure too.
    UserSweptWithoutEnd,
    /// What leaves before its time stays in D1.
    CopiesOfHusksStay,
    /// What a slice of an erasure came to is not remembered (found by this simulator).
    SliceForgotten,
    /// Erasing a domain forgets which of its keys are revoked.
    DomainErasedKeysForgotten,
    /// Whoever sends to a component that was spread anew does not ask who has the batch already.
    NobodyRecalled,
    /// A shard takes what comes under an older map.
    OlderMapsTaken,
    /// The key of a batch is the same in every epoch.
    OneKeyInAllEpochs,
    /// What is left of a batch is stored elsewhere although it is not known what became of the rest (found by this
    /// simulator).
    StoredBesideAFailure,
    /// A follower takes it for granted that its lead hears it.
    LeadCursorBeforeAnswer,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 49] = [
        Self::AnswerBeforeCommit,
        Self::KeyTableForgotten,
        Self::IdTableForgotten,
        Self::FoldedNotWritten,
        Self::StateNotWritten,
        Self::CheckpointInTwoCommits,
        Self::HoursReplaced,
        Self::RetentionBeforeFold,
        Self::AlertInLaterCommit,
        Self::AlertRemovedBeforeArrival,
        Self::MemoryKeptAfterFailure,
        Self::PartialCommit,
        Self::D1CursorBeforeWrite,
        Self::ServiceCursorBeforeAnswer,
        Self::NoAlarm,
        Self::EventsNotJournaled,
        Self::AlertTakenTwice,
        Self::MessagesNotStored,
        Self::ReceiptOfTheRetry,
        Self::AcknowledgedUnregistered,
        Self::D1IgnoresSequence,
        Self::SyncedUnseen,
        Self::GrantsForgotten,
        Self::AnswersTooMany,
        Self::AlarmAtRunningInstant,
        Self::DeliveryWithoutAlarm,
        Self::EpochBeforeLoss,
        Self::CompactionNotAtomic,
        Self::CompactionBeforeFold,
        Self::CompactionDropsTheRest,
        Self::CompactionNeverRuns,
        Self::ErasedUnseen,
        Self::NewLifeErased,
        Self::SweptOnce,
        Self::ErasureNotStored,
        Self::OverridesAfterReplay,
        Self::CursorBeforeThinning,
        Self::UserErasedInRowsOnly,
        Self::UserErasedWithoutExemplars,
        Self::UserErasedUnfolded,
        Self::UserSweptWithoutEnd,
        Self::CopiesOfHusksStay,
        Self::SliceForgotten,
        Self::DomainErasedKeysForgotten,
        Self::NobodyRecalled,
        Self::OlderMapsTaken,
        Self::OneKeyInAllEpochs,
        Self::StoredBesideAFailure,
        Self::LeadCursorBeforeAnswer,
    ];

    /// Its name on the command line: `answer-before-commit`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_name() {
        assert_eq!(Mutant::AnswerBeforeCommit.name(), "answer-before-commit");
        assert_eq!(Mutant::D1CursorBeforeWrite.name(), "d1-cursor-before-write");
        for mutant in Mutant::ALL {
            assert_eq!(Mutant::from_name(&mutant.name()), Some(mutant));
        }
    }
}
