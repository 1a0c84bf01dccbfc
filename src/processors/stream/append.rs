//! Intake: batches that wait for the same commit share a row.
//!
//! A batch is put into the queue and answered by the committer. The committer takes everything that waits, commits it
//! as one group, waits for the disk, answers, and looks again: under load the groups grow by themselves, and a lone
//! batch waits for nobody (adaptive group commit, no timer). It runs only while there is something to commit, so an
//! idle object can sleep.

use super::{Inner, bytes, now};
use crate::processors::calls::{AppendAnswer, AppendCall, RegisterCall, StreamAddress};
use crate::storage::fault::Fault;
use futures::channel::oneshot;
use sapwood_engine::machine::row::Heads;
use sapwood_engine::machine::stream::{AppendReply, Batch, Event, Told};
use sapwood_engine::segment;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use worker::Response;

/// Bytes that may wait; beyond that the caller is told to come back. A row takes 1.9 MB.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one commit.
const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;

type Answer = Result<AppendAnswer, Fault>;

struct Waiting {
    batch: Batch,
    bytes: usize,
    answer: oneshot::Sender<Answer>,
}

/// Batches that wait, and what was done with those before them.
#[derive(Default)]
pub(super) struct Intake {
    waiting: RefCell<VecDeque<Waiting>>,
    waiting_bytes: Cell<usize>,
    is_committing: Cell<bool>,
    pub(super) calls: Cell<u64>,
    pub(super) commits: Cell<u64>,
}

impl Intake {
    /// Whether something waits for its commit or is being committed.
    pub(super) fn is_busy(&self) -> bool {
        self.is_committing.get() || !self.waiting.borrow().is_empty()
    }
}

impl Inner {
    pub(super) async fn answer_append(self: Rc<Self>, body: &[u8]) -> Result<Response, Fault> {
        self.intake.calls.set(self.intake.calls.get() + 1);
        let call = AppendCall::decode(body).map_err(|error| Fault::new("read an append", error))?;
        if self.is_closing() {
            return bytes(AppendAnswer::Unregistered.encode());
        }
        self.meet(&call.address)?;
        if let Some(refusal) = self.register(&call.address).await? {
            return bytes(refusal.encode());
        }
        if self.intake.waiting_bytes.get() + body.len() > WAITING_BYTES_MAX {
            return bytes(AppendAnswer::Overloaded.encode());
        }
        self.lease(&call.batch).await;
        let (sender, receiver) = oneshot::channel();
        self.intake.waiting_bytes.set(self.intake.waiting_bytes.get() + body.len());
        self.intake.waiting.borrow_mut().push_back(Waiting { batch: call.batch, bytes: body.len(), answer: sender });
        if !self.intake.is_committing.replace(true) {
            let committer = Rc::clone(&self);
            self.state.wait_until(async move { committer.commit_all().await });
        }
        match receiver.await {
            Ok(answer) => bytes(answer?.encode()),
            // The committer panicked: whether the batch was stored is not known.
            Err(_) => Err(Fault::new("append", "the commit was broken off")),
        }
    }

    /// Registers with the domain before anything is acknowledged; once in an object's life.
    pub(super) async fn register(&self, address: &StreamAddress) -> Result<Option<AppendAnswer>, Fault> {
        let (is_registered, config) =
            self.with_live(|live| Ok((live.machine.is_registered(), Rc::clone(&live.config))))?;
        if is_registered {
            return Ok(None);
        }
        let register =
            RegisterCall { domain: address.domain.clone(), component: address.component.clone(), shard: address.shard };
        let refusal = match self.stubs(&config).register(&register).await {
            Ok(Some(Told { view, lessons, seed, map })) => {
                if let Some(map) = map {
                    self.transition(Event::Spread(map), now())?;
                }
                if let Some(seed) = seed {
                    self.transition(Event::Seeded(seed), now())?;
                }
                // Registered last: whoever is does not ask for the lessons again.
                if let Some(lessons) = lessons {
                    self.transition(Event::Taught(lessons), now())?;
                }
                self.transition(Event::Registered(view), now())?;
                self.with_live(|live| {
                    live.apply_overrides();
                    Ok(())
                })?;
                None
            }
            Ok(None) => Some(AppendAnswer::MovedToOther),
            Err(error) => {
                crate::monitoring::report("RegistrationFailed", &[("error", &error)]);
                Some(AppendAnswer::Unregistered)
            }
        };
        Ok(refusal)
    }

    /// Asks the domain for records if its quota wants it. If the domain cannot be reached the batch is counted without
    /// text, as over quota: limits hold, and nothing is refused.
    async fn lease(&self, batch: &Batch) {
        let records: usize = batch.segments.iter().filter_map(|segment| segment::count(segment).ok()).sum();
        let wanted = self.with_live(|live| {
            let wanted = live.machine.lease_wanted(records as u64, now());
            Ok(wanted.map(|wanted| (wanted, live.machine.identity().domain.clone(), Rc::clone(&live.config))))
        });
        let Ok(Some((wanted, domain, config))) = wanted else { return };
        match self.stubs(&config).lease(&domain, wanted).await {
            Ok(lease) => {
                if let Err(fault) = self.transition(Event::Leased(lease), now()) {
                    crate::monitoring::report("LeaseNotWritten", &[("fault", &fault)]);
                }
            }
            Err(error) => crate::monitoring::report("LeaseFailed", &[("error", &error)]),
        }
    }

    async fn commit_all(self: Rc<Self>) {
        // However it ends, the next batch must find a committer.
        let _done = Done(&self.intake);
        loop {
            let group = self.take_group();
            if group.is_empty() {
                return;
            }
            self.commit(group).await;
        }
    }

    fn take_group(&self) -> Vec<Waiting> {
        let mut waiting = self.intake.waiting.borrow_mut();
        let mut group = Vec::new();
        let mut size = 0;
        while let Some(next) = waiting.front() {
            if !group.is_empty() && size + next.bytes > COMMIT_BYTES_MAX {
                break;
            }
            size += next.bytes;
            group.extend(waiting.pop_front());
        }
        self.intake.waiting_bytes.set(self.intake.waiting_bytes.get().saturating_sub(size));
        group
    }

    async fn commit(self: &Rc<Self>, group: Vec<Waiting>) {
        self.intake.commits.set(self.intake.commits.get() + 1);
        let (batches, senders): (Vec<_>, Vec<_>) = group.into_iter().map(|one| (one.batch, one.answer)).unzip();
        let answers = match self.transition(Event::Append(batches), now()) {
            Err(fault) => Err(fault),
            Ok(effects) => {
                let (tells, forwards, heat) = (!effects.alerts.is_empty(), effects.forward, effects.heat);
                let answers = effects.replies.into_iter().map(|reply| self.answer_to(reply)).collect::<Vec<_>>();
                // The answers would be held by the output gate anyway; waiting here lets the next group gather.
                match self.state.storage().sync().await {
                    Ok(()) => {
                        self.show(effects.tail);
                        if tells {
                            self.hand_over_soon();
                        }
                        if forwards {
                            self.forward_soon();
                        }
                        if let Some(load) = heat {
                            self.tell_heat(load);
                        }
                        Ok(answers)
                    }
                    Err(error) => {
                        // Memory and disk may differ now.
                        self.live.take();
                        Err(Fault::new("commit", error))
                    }
                }
            }
        };
        match answers {
            Ok(answers) => {
                for (sender, answer) in senders.into_iter().zip(answers) {
                    answered(sender.send(answer));
                }
            }
            Err(fault) => {
                crate::monitoring::report("CommitFailed", &[("fault", &fault)]);
                for sender in senders {
                    answered(sender.send(Err(fault.clone())));
                }
            }
        }
    }

    fn answer_to(&self, reply: AppendReply) -> Answer {
        Ok(match reply {
            AppendReply::Stored(receipt) => AppendAnswer::Stored(receipt),
            AppendReply::Replayed { seq, hash } => {
                let row = self.with_live(|live| live.rows.journal().row(seq))?;
                let heads = row.and_then(|row| Heads::decode(&row.heads).ok());
                match heads.as_ref().and_then(|heads| heads.receipt_of(hash)) {
                    Some(receipt) => AppendAnswer::Replayed(receipt.clone()),
                    None => return Err(Fault::new("replay", "the first receipt cannot be read")),
                }
            }
            AppendReply::KeyReused => AppendAnswer::KeyReused,
            AppendReply::Revoked => AppendAnswer::Revoked,
            AppendReply::Newer(map) => AppendAnswer::Newer(map),
            AppendReply::Unknown(known) => AppendAnswer::Unknown(known),
            AppendReply::Unreadable(error) => {
                crate::monitoring::report("SegmentUnreadable", &[("error", &error)]);
                AppendAnswer::Unreadable
            }
        })
    }
}

/// A caller that has gone is not an error: its batch is stored, and its retry will be told so.
fn answered(sent: Result<(), Answer>) {
    if sent.is_err() {
        crate::monitoring::report("CallerGone", &[]);
    }
}

struct Done<'a>(&'a Intake);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.is_committing.set(false);
    }
}
