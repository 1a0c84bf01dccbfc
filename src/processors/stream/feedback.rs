//! What somebody says of an incident: a transition of the machine, and the list of all that was said.

use super::{Inner, Live, now};
use crate::processors::calls::{FeedbackCall, FeedbackOutcome, FeedbackView};
use crate::storage::fault::Fault;
use sapwood_engine::machine::stream::{Event, Opinion};

impl Inner {
    /// Takes an opinion, or takes one back.
    pub(super) fn take_feedback(&self, call: FeedbackCall) -> Result<FeedbackOutcome, Fault> {
        let event = match call.verdict.as_deref().map(Opinion::of_word) {
            None => Event::FeedbackUndone(call.incident_id),
            Some(Some(opinion)) => {
                Event::Feedback { incident: call.incident_id, opinion, note: call.note, by: call.by }
            }
            // The edge of another build may know more words.
            Some(None) => return Err(Fault::new("take feedback", "a verdict of a later build")),
        };
        let answer = self.transition(event, now())?.feedback;
        answer.map(FeedbackOutcome::of).ok_or_else(|| Fault::new("take feedback", "no answer"))
    }
}

impl Live {
    /// All opinions in force, newest first.
    pub(super) fn feedback(&self) -> Vec<FeedbackView> {
        self.machine.feedback().rev().map(|one| FeedbackView::of(one, &self.machine)).collect()
    }
}
