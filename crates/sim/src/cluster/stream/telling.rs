//! Calls to others outside of the alarm: a follower tells its lead what came, alerts are handed over right after their commit.

use super::*;

impl World {
    /// Tells the lead what it has not heard, one call at a time.
    pub(in crate::cluster) fn forward(&mut self, stream: usize) {
        if self.streams[stream].is_forwarding {
            return;
        }
        let next = self.with_stream(stream, |machine, store| machine.next_to_forward(store));
        let Ok(Some(next)) = next else { return };
        self.tell(|| format!("stream {stream} tells its lead up to row {}: {} records", next.cursor, next.records));
        if next.is_empty {
            let is_last = next.is_last;
            let told = self.stream_transition(stream, Input::Forwarded(Box::new(next), HeardAnswer::default()));
            if told.is_ok() && !is_last {
                self.forward(stream);
            }
            return;
        }
        self.streams[stream].is_forwarding = true;
        let lead = stream % self.plan.streams;
        let mut cursor_first = None;
        if self.mutant == Some(Mutant::LeadCursorBeforeAnswer) {
            cursor_first = Some(next.clone());
        }
        let call = Call::Heard(self.streams[stream].identity.shard, next.digest.clone());
        let waiter = self.streams[stream].start(Task::Forwarding(Box::new(next)));
        self.leave_stream(stream, Parcel::Call(waiter, Place::Stream(lead), Rc::new(call)));
        if let Some(next) = cursor_first {
            let _written = self.stream_transition(stream, Input::Forwarded(Box::new(next), HeardAnswer::default()));
        }
    }

    pub(super) fn forwarded(&mut self, stream: usize, forward: Box<Forward>, answer: Option<Answer>) {
        self.streams[stream].is_forwarding = false;
        let is_last = forward.is_last;
        let input = match answer {
            Some(Answer::Heard(answer)) => Input::Forwarded(forward, answer),
            _ => Input::ForwardFailed("no answer".into()),
        };
        let is_heard = matches!(input, Input::Forwarded(..));
        // If that cannot be written, the lead is told again.
        if self.stream_transition(stream, input).is_ok() && is_heard && !is_last {
            self.forward(stream);
        }
    }

    /// The lead hears what came to one of its shards.
    pub(super) fn heard(&mut self, stream: usize, from: CallId, shard: u16, digest: &[u8]) {
        match self.with_stream(stream, |machine, _| Ok(machine.is_registered())) {
            Ok(true) => {}
            Ok(false) => {
                let waiter = self.streams[stream].start(Task::Meeting(from, shard, digest.to_vec()));
                return self.leave_stream(stream, Parcel::Call(waiter, Place::Domain, Rc::new(Call::Register(stream))));
            }
            Err(WriteFailed) => return self.leave_stream(stream, Parcel::Answer(from, Answer::Failed)),
        }
        let effects = self.stream_transition(stream, Input::Heard { shard, digest: digest.to_vec() });
        let Ok(Effects { heard: Some(answer), alerts, .. }) = effects else {
            return self.leave_stream(stream, Parcel::Answer(from, Answer::Failed));
        };
        self.leave_stream(stream, Parcel::Answer(from, Answer::Heard(answer)));
        if !alerts.is_empty() {
            self.hand_over_soon(stream);
        }
    }

    pub(super) fn hand_over_soon(&mut self, stream: usize) {
        if std::mem::replace(&mut self.streams[stream].is_handing_over, true) {
            return;
        }
        let now = self.stream_now(stream);
        let due = self.with_stream(stream, |machine, _| Ok(machine.outbox().due(now, 16))).unwrap_or_default();
        self.hand_over_next(stream, due.into());
    }

    pub(super) fn hand_over_next(&mut self, stream: usize, ids: VecDeque<String>) {
        match ids.front().cloned() {
            None => self.streams[stream].is_handing_over = false,
            Some(id) => {
                if self.mutant == Some(Mutant::AlertRemovedBeforeArrival) {
                    // What failed is told by the answer that never comes.
                    let _removed = self.stream_transition(stream, Input::AlertDelivered(id.clone()));
                }
                let call = self.alert_call(stream, id);
                let waiter = self.streams[stream].start(Task::HandingOver(ids));
                self.leave_stream(stream, Parcel::Call(waiter, Place::Domain, Rc::new(call)));
            }
        }
    }

    /// An alert with the version of the view under which it is handed over.
    pub(in crate::cluster) fn alert_call(&mut self, stream: usize, id: String) -> Call {
        let version = self.with_stream(stream, |machine, _| Ok(machine.view().version)).unwrap_or(1);
        Call::Alert(stream, id, version)
    }

    /// What became of handing an alert over.
    pub(in crate::cluster) fn handed_over(&mut self, stream: usize, id: String, answer: Option<&Answer>) {
        let input = match answer {
            Some(Answer::Done) => Input::AlertDelivered(id),
            _ => Input::AlertFailed(id),
        };
        // If that cannot be written, the alert is handed over again.
        let _written = self.stream_transition(stream, input);
    }

    pub(in crate::cluster) fn stream_resumed(&mut self, stream: usize, life: u64, task: u64, answer: Option<Answer>) {
        if self.streams[stream].life != life {
            return;
        }
        let Some(task) = self.streams[stream].tasks.remove(&task) else { return };
        match task {
            Task::Registering(from, sent) => self.registered(stream, from, sent, answer),
            Task::Meeting(from, shard, digest) => match answer {
                Some(Answer::Registered(view, lessons, map)) => match self.join_domain(stream, view, lessons, map) {
                    Ok(()) => self.heard(stream, from, shard, &digest),
                    Err(WriteFailed) => self.leave_stream(stream, Parcel::Answer(from, Answer::Failed)),
                },
                _ => self.leave_stream(stream, Parcel::Answer(from, Answer::Failed)),
            },
            Task::Leasing(from, sent) => {
                if let Some(Answer::Leased(lease)) = answer {
                    // Not written is not granted: the batch is counted, as over quota.
                    let _granted = self.stream_transition(stream, Input::Leased(lease));
                }
                self.enqueue(stream, from, sent);
            }
            Task::HandingOver(mut ids) => {
                if let Some(id) = ids.pop_front() {
                    self.handed_over(stream, id, answer.as_ref());
                }
                self.hand_over_next(stream, ids);
            }
            Task::Forwarding(forward) => self.forwarded(stream, forward, answer),
            Task::Alarm(run) => self.alarm_resumed(stream, run, answer),
        }
    }
}
