//! The edges, where components are spread: which know older maps, follow newer ones, and ask before they store.
//!
//! What is called when is the product's own ([`Dispatch`]); modelled are several edges that learn of a change at
//! different times, calls that are lost and doubled on the way, and a client that only hears of the whole.

use super::message::{Answer, AppendAnswer, Call, Piece, Place, Waiter};
use super::mutant::Mutant;
use super::world::{Event, World};
use sapwood_engine::machine::domain::Event as Input;
use sapwood_engine::machine::row::Receipt;
use sapwood_engine::shard::{Dispatch, Mode, Outcome, ShardMap, Step};
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Shards that a component of a play may have.
pub const SHARDS_MAX: u16 = 4;
/// Edges that clients reach.
const EDGES: u64 = 3;
/// Of requests of which only a part was stored so many meet another map when they are repeated, in thousandths.
const RESPREAD_PERMILLE: u64 = 150;

/// A request on its way.
#[derive(Debug)]
struct Attempt {
    edge: usize,
    dispatch: Dispatch<AppendAnswer>,
    /// Calls that are not answered yet, by their task.
    calls: BTreeMap<u64, Rc<Step>>,
}

/// What edges know and do.
#[derive(Debug, Default)]
pub struct Edges {
    /// By edge and component.
    known: BTreeMap<(usize, usize), ShardMap>,
    attempts: BTreeMap<u64, (usize, Attempt)>,
    next: u64,
}

impl World {
    /// An administrator spreads a component anew.
    pub(super) fn spread(&mut self, component: usize, shards: u16) {
        self.tell(|| format!("component {component} is to be in {shards} shards"));
        let event = Input::Spread { component: format!("c{component}"), shards, by: "ann".into() };
        if self.domain_transition(event).is_ok() {
            self.sync_streams();
        }
    }

    /// The component is spread anew before a client repeats what was stored in part.
    fn respread_soon(&mut self, component: usize) {
        let shards = *self.random.pick(&[1, 2, 3, SHARDS_MAX]);
        let after = self.random.below(2_000) as i64;
        self.after(after, Event::Spread(component, shards));
    }

    /// What an edge knows of a component; now and then it asks the domain.
    fn map_at(&mut self, edge: usize, component: usize) -> ShardMap {
        let known = self.edges.known.entry((edge, component)).or_default().clone();
        if !self.random.permille(300) {
            return known;
        }
        let name = format!("c{component}");
        let live = self.domain.live.as_ref();
        let told = live.and_then(|it| it.shard_maps().find(|(of, _)| *of == name).map(|(_, map)| map.clone()));
        match told.filter(|told| told.is_newer_than(&known)) {
            Some(told) => self.edges.known.entry((edge, component)).insert_entry(told).get().clone(),
            None => known,
        }
    }

    /// A client's batch reaches an edge.
    pub(super) fn dispatch_batch(&mut self, number: usize) {
        let component = self.ledger.sent[number].stream;
        let edge = self.random.below(EDGES) as usize;
        let map = self.map_at(edge, component);
        let identity = self.ledger.identity_of(number);
        let dispatch = Dispatch::new(map, identity, Timestamp(self.now), self.plan.settings.key_window);
        self.edges.next += 1;
        let attempt = self.edges.next;
        self.edges.attempts.insert(attempt, (number, Attempt { edge, dispatch, calls: BTreeMap::new() }));
        self.dispatch_on(attempt);
    }

    /// Makes the next calls of a request, or tells the client what became of it.
    fn dispatch_on(&mut self, attempt: u64) {
        let Some((number, mut on)) = self.edges.attempts.remove(&attempt) else { return };
        let component = self.ledger.sent[number].stream;
        let steps = loop {
            let mut steps = on.dispatch.next_calls(|| AppendAnswer::Unavailable);
            if self.mutant == Some(Mutant::NobodyRecalled) && steps.iter().any(|step| step.mode == Mode::Recall) {
                for step in steps {
                    on.dispatch.take(step, Outcome::Unknown(Vec::new()), || AppendAnswer::Unavailable);
                }
                continue;
            }
            if self.mutant == Some(Mutant::OneKeyInAllEpochs) {
                let key = self.ledger.sent[number].batch.key.map(|key| key.hash);
                steps.iter_mut().for_each(|step| step.key = key);
            }
            break steps;
        };
        if steps.is_empty() {
            let answer = whole(on.dispatch);
            if answer.is_none() && self.spreads && self.random.permille(RESPREAD_PERMILLE) {
                self.respread_soon(component);
            }
            return self.client_answered(number, answer.map(Answer::Append));
        }
        let mut calls = Vec::new();
        for (task, step) in (0u64..).zip(steps) {
            let to = Place::Stream(component + usize::from(step.shard) * self.plan.streams);
            let step = Rc::new(step);
            on.calls.insert(task, Rc::clone(&step));
            calls.push((task, to, Piece { sent: number, step: Some(step) }));
        }
        self.edges.attempts.insert(attempt, (number, on));
        for (task, to, piece) in calls {
            let waiter = Waiter { place: Place::Client(number), life: attempt, task };
            self.call(waiter, to, Rc::new(Call::Append(piece)));
        }
    }

    /// A shard has answered an edge, or has not.
    pub(super) fn edge_answered(&mut self, attempt: u64, task: u64, answer: Option<Answer>) {
        let Some((number, on)) = self.edges.attempts.get_mut(&attempt) else { return };
        let component = self.ledger.sent[*number].stream;
        let Some(step) = on.calls.remove(&task) else { return };
        let outcome = match answer {
            Some(Answer::Append(AppendAnswer::Newer(map))) => {
                let known = self.edges.known.entry((on.edge, component)).or_default();
                if map.is_newer_than(known) {
                    known.clone_from(&map);
                }
                Outcome::Newer(map)
            }
            Some(Answer::Append(AppendAnswer::Unknown(known))) => Outcome::Unknown(known),
            Some(Answer::Append(answer @ (AppendAnswer::Stored(_) | AppendAnswer::Replayed(_)))) => {
                Outcome::Settled(answer)
            }
            Some(Answer::Append(answer)) => Outcome::Failed(answer),
            _ => Outcome::Failed(AppendAnswer::Unavailable),
        };
        let outcome = match outcome {
            Outcome::Failed(answer) if self.mutant == Some(Mutant::StoredBesideAFailure) => Outcome::Settled(answer),
            outcome => outcome,
        };
        on.dispatch.take((*step).clone(), outcome, || AppendAnswer::Unavailable);
        if on.calls.is_empty() {
            self.dispatch_on(attempt);
        }
    }
}

/// The one answer of all parts; none if one of them has none.
fn whole(dispatch: Dispatch<AppendAnswer>) -> Option<AppendAnswer> {
    let parts = dispatch.into_parts();
    for refusal in [AppendAnswer::Revoked, AppendAnswer::KeyReused] {
        if parts.iter().any(|part| part.fate == refusal) {
            return Some(refusal);
        }
    }
    let mut whole = Receipt { at: Timestamp::MAX, ..Receipt::default() };
    let mut fates = BTreeMap::new();
    let mut is_replay = true;
    for part in parts {
        let receipt = match part.fate {
            AppendAnswer::Stored(receipt) => {
                is_replay = false;
                receipt
            }
            AppendAnswer::Replayed(receipt) => receipt,
            _ => return None,
        };
        whole.at = whole.at.min(receipt.at);
        whole.accepted += receipt.accepted;
        whole.duplicate += receipt.duplicate;
        whole.counted_only += receipt.counted_only;
        fates.extend(part.records.iter().enumerate().map(|(place, at)| (*at, receipt.fate(place))));
    }
    whole.fates = fates.into_values().collect();
    Some(if is_replay { AppendAnswer::Replayed(whole) } else { AppendAnswer::Stored(whole) })
}
