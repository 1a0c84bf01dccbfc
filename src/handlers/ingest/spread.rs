//! The records of a component that is spread over several objects, on their way: which calls are made is decided by
//! [`Dispatch`]; here they are made, a few at a time, and their answers read.

use super::assemble::{PartFailure, PartFate};
use super::prepare::Part;
use super::{CALLS_AT_ONCE, Sending, Sent, key_hash};
use crate::edge::known::with_memory;
use crate::monitoring::report;
use crate::processors::calls::{AppendAnswer, AppendCall, StreamAddress};
use futures::{StreamExt, stream};
use sapwood_engine::machine::row::BatchKey;
use sapwood_engine::machine::stream::{Batch, Recall, Under};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::shard::{Dispatch, Identity, Mode, Outcome, ShardMap, Step};
use sapwood_engine::time::Millis;
use std::cell::OnceCell;

/// One component's part of a request, while it is on its way.
struct Spreading<'a> {
    sending: &'a Sending<'a>,
    component: &'a str,
    part: &'a Part,
    /// Its records, once somebody needs only some of them.
    records: OnceCell<Option<Vec<Record>>>,
}

/// Brings a part to the shards of its component. Every record ends in one of the pieces, or is moved.
pub(super) async fn spread(
    sending: &Sending<'_>,
    component: &str,
    part: &Part,
    mut rejected: u32,
    (map, window): (ShardMap, Millis),
) -> Sent {
    let call = sending.call;
    let count = usize::try_from(part.count).unwrap_or(usize::MAX);
    let mut ids = part.id_hashes.clone();
    ids.resize(count, None);
    // Any number will do, as long as it is another one for another request.
    let any = xxhash_rust::xxh3::xxh3_64(call.head.request_id.as_bytes());
    let key = sending.batch.map(|(key, _)| key_hash(call.domain(), key.as_str(), &part.component));
    let mut dispatch = Dispatch::new(map, Identity { key, any, ids }, call.now, window);
    let spreading = Spreading { sending, component, part, records: OnceCell::new() };
    loop {
        let steps = dispatch.next_calls(|| Some(PartFate::Failed(PartFailure::Unavailable)));
        if steps.is_empty() {
            break;
        }
        let calls = steps.into_iter().enumerate().map(|(at, step)| {
            let rejected = if at == 0 { rejected } else { 0 };
            let spreading = &spreading;
            async move {
                let outcome = spreading.perform(&step, rejected).await;
                (at, step, outcome)
            }
        });
        let answered: Vec<_> = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE).collect().await;
        for (at, step, outcome) in answered {
            if at == 0 && matches!(outcome, Outcome::Settled(Some(PartFate::Done { .. }))) {
                rejected = 0;
            }
            if let Outcome::Newer(map) = &outcome {
                with_memory(|memory| memory.learn_shards(call.domain(), component, map));
            }
            dispatch.take(step, outcome, || Some(PartFate::Failed(PartFailure::Unavailable)));
        }
    }
    let (mut fated, mut moved) = (Vec::new(), Vec::new());
    for piece in dispatch.into_parts() {
        match piece.fate {
            Some(fate) => fated.push((part.piece(&piece.records), fate)),
            None => moved.extend(piece.records),
        }
    }
    moved.sort_unstable();
    let moved = match (moved.is_empty(), spreading.segments(&moved)) {
        (true, _) => None,
        (false, Some(segments)) => Some(part.piece_with(&moved, segments)),
        (false, None) => {
            fated.push((part.piece(&moved), PartFate::Failed(PartFailure::Broken)));
            None
        }
    };
    Sent { fated, moved, rejected }
}

impl Spreading<'_> {
    /// No fate: the domain has no room for the component.
    async fn perform(&self, step: &Step, rejected: u32) -> Outcome<Option<PartFate>> {
        let Some(append) = self.append_call(step, rejected) else {
            return Outcome::Failed(Some(PartFate::Failed(PartFailure::Broken)));
        };
        let answer = self.sending.call.stubs().append(&append).await;
        if let Err(error) = &answer {
            report("AppendFailed", &[("request", &self.sending.call.head.request_id), ("error", error)]);
        }
        match answer {
            Ok(AppendAnswer::Newer(map)) => Outcome::Newer(map),
            Ok(AppendAnswer::Unknown(known)) if step.mode == Mode::Recall => Outcome::Unknown(known),
            // A shard that the directory has no room for has nothing that it could know.
            Ok(AppendAnswer::MovedToOther) if step.mode == Mode::Recall => Outcome::Unknown(Vec::new()),
            // A build that does not know the question has stored nothing, and says that it stored that.
            Ok(AppendAnswer::Stored(_)) if step.mode == Mode::Recall => {
                Outcome::Failed(Some(PartFate::Failed(PartFailure::Unavailable)))
            }
            answer => match PartFate::of(answer, self.component, step.shard) {
                fate @ (None | Some(PartFate::Done { .. })) => Outcome::Settled(fate),
                fate => Outcome::Failed(fate),
            },
        }
    }

    /// The segments of some of the records; `None` if our own cannot be read.
    fn segments(&self, wanted: &[usize]) -> Option<Vec<Vec<u8>>> {
        if wanted.len() as u64 == self.part.count {
            return Some(self.part.segments.clone());
        }
        let records = self.records.get_or_init(|| decoded(&self.part.segments)).as_ref()?;
        let wanted = wanted.iter().map(|&at| records.get(at).cloned());
        Some(segment::encode(&wanted.collect::<Option<Vec<_>>>()?))
    }

    /// The call of a step; `None` if our own segments cannot be read.
    fn append_call(&self, step: &Step, rejected: u32) -> Option<AppendCall> {
        let is_recall = step.mode == Mode::Recall;
        let segments = if is_recall { Vec::new() } else { self.segments(&step.records)? };
        let id = |at: &usize| self.part.id_hashes.get(*at).copied().flatten().unwrap_or(0);
        let recall = is_recall
            .then(|| Recall { records: step.records.len() as u32, ids: step.records.iter().map(id).collect() });
        let fingerprint = self.sending.batch.map(|(_, fingerprint)| *fingerprint);
        let key = step.key.zip(fingerprint).map(|(hash, fingerprint)| BatchKey { hash, fingerprint });
        let key_id = self.sending.call.principal.key_id.map(|id| id.to_string());
        let under = Some(Under { map: step.map.clone(), known: step.known.clone(), recall });
        let (domain, component) = (self.sending.call.domain().to_owned(), self.component.to_owned());
        let address = StreamAddress { domain, component, shard: step.shard };
        Some(AppendCall { address, batch: Batch { key, key_id, segments, rejected, under } })
    }
}

fn decoded(segments: &[Vec<u8>]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    for segment in segments {
        records.extend(segment::decode(segment).ok()?);
    }
    Some(records)
}
