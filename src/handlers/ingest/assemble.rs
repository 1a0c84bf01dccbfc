//! From what became of each part to the one answer for the request. Pure.
//!
//! Precedence: a key that was taken back refuses everything; a batch key used for another body refuses everything; then
//! a single part that failed answers with its own problem, several parts with the status of each.

use super::prepare::{Part, Prepared};
use crate::processors::calls::AppendAnswer;
use crate::processors::stubs::CallError;
use sapwood_engine::machine::row::{Fate, Receipt};
use sapwood_engine::record_id::object_tag;
use sapwood_wire::problem::{PartialFailure, Problem, ProblemCode};
use sapwood_wire::reply::{ComponentReply, IngestReply};

/// Seconds after which a part that failed may be sent again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartFate {
    /// Every record of it has its outcome.
    Done {
        /// The object's answer; the first one if this was a replay.
        receipt: Receipt,
        /// Whether it was a replay.
        is_replay: bool,
        /// Where it was stored in the end.
        component: String,
        /// In which of its shards.
        shard: u16,
    },
    /// Nothing of it is known to be stored.
    Failed(PartFailure),
    /// The batch key was used for something else.
    KeyReused,
    /// The credential was taken back.
    Revoked,
}

/// Why a part failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartFailure {
    /// No answer in time; whether it is stored is not known.
    Timeout,
    /// The object has more waiting than it can take.
    Overloaded,
    /// The object, or the domain object behind it, cannot be reached.
    Unavailable,
    /// A fault of ours: repeating it will not help.
    Broken,
}

impl PartFailure {
    fn code(self) -> ProblemCode {
        match self {
            Self::Timeout => ProblemCode::UpstreamTimeout,
            Self::Overloaded => ProblemCode::Overloaded,
            Self::Unavailable => ProblemCode::Unavailable,
            Self::Broken => ProblemCode::Internal,
        }
    }
}

impl PartFate {
    /// The fate that an object's answer means; `None` if the part has to go to `other`.
    pub fn of(answer: Result<AppendAnswer, CallError>, component: &str, shard: u16) -> Option<Self> {
        let done = |receipt, is_replay| Self::Done { receipt, is_replay, component: component.to_owned(), shard };
        Some(match answer {
            Ok(AppendAnswer::Stored(receipt)) => done(receipt, false),
            Ok(AppendAnswer::Replayed(receipt)) => done(receipt, true),
            Ok(AppendAnswer::KeyReused) => Self::KeyReused,
            Ok(AppendAnswer::Revoked) => Self::Revoked,
            Ok(AppendAnswer::MovedToOther) => return None,
            // Whoever can be told so asks again; see `spread`.
            Ok(AppendAnswer::Newer(_) | AppendAnswer::Unknown(_)) => Self::Failed(PartFailure::Unavailable),
            Ok(AppendAnswer::Unreadable) => Self::Failed(PartFailure::Broken),
            Ok(AppendAnswer::Overloaded) | Err(CallError::Overloaded) => Self::Failed(PartFailure::Overloaded),
            Ok(AppendAnswer::Unregistered) => Self::Failed(PartFailure::Unavailable),
            Err(CallError::Timeout) => Self::Failed(PartFailure::Timeout),
            Err(CallError::Failed(_) | CallError::Refused(..)) => Self::Failed(PartFailure::Unavailable),
            Err(CallError::Unreadable(_)) => Self::Failed(PartFailure::Broken),
        })
    }
}

/// The answer to a request.
#[derive(Debug, PartialEq)]
pub enum Assembled {
    /// Every record has its outcome.
    Done {
        /// Sums, refusals, ids.
        reply: IngestReply,
        /// Whether nothing was new: every part had been stored by an earlier request with this batch key.
        is_replay: bool,
    },
    /// Some parts are missing.
    Partial(PartialFailure),
    /// Nothing may be said to be stored.
    Refused(Problem),
}

/// The answer, given the parts, or the pieces that became of them, each with its fate, by component.
pub fn assemble(prepared: Prepared, fated: Vec<(Part, PartFate)>) -> Assembled {
    let Prepared { refused, total, has_ids, .. } = prepared;
    let (parts, fates): (Vec<Part>, Vec<PartFate>) = fated.into_iter().unzip();
    if fates.contains(&PartFate::Revoked) {
        return Assembled::Refused(Problem::new(ProblemCode::KeyRevoked, ""));
    }
    if fates.contains(&PartFate::KeyReused) {
        let detail = "this Idempotency-Key came before with another body; use a new key for new records";
        return Assembled::Refused(Problem::new(ProblemCode::IdempotencyKeyReused, detail));
    }
    if parts.is_empty() && total > 0 {
        return Assembled::Refused(all_refused(refused));
    }
    let failures: Vec<_> = fates.iter().filter_map(failure).collect();
    let is_one = parts.windows(2).all(|pair| matches!(pair, [one, next] if one.component == next.component));
    if let (true, Some(failure)) = (is_one && failures.len() == parts.len(), failures.first()) {
        let problem = Problem::new(failure.code(), "");
        return Assembled::Refused(problem.with_retry_after(RETRY_AFTER_SECONDS));
    }
    let is_replay =
        !fates.is_empty() && fates.iter().all(|fate| matches!(fate, PartFate::Done { is_replay: true, .. }));
    let mut reply = IngestReply { ids: has_ids.then(|| vec![None; total]), ..refused };
    for (part, fate) in parts.iter().zip(&fates) {
        if let PartFate::Done { receipt, component, shard, .. } = fate {
            reply.accepted += u64::from(receipt.accepted);
            reply.duplicate += u64::from(receipt.duplicate);
            reply.counted_only += u64::from(receipt.counted_only);
            fill_ids(reply.ids.as_mut(), part, receipt, object_tag(component, *shard));
        }
    }
    if failures.is_empty() {
        return Assembled::Done { reply, is_replay };
    }
    for (part, fate) in parts.iter().zip(&fates) {
        let piece = component_reply(part, fate);
        match reply.components.last_mut().filter(|last| last.component == piece.component) {
            Some(last) => join(last, piece),
            None => reply.components.push(piece),
        }
    }
    Assembled::Partial(PartialFailure::new(reply, RETRY_AFTER_SECONDS))
}

fn failure(fate: &PartFate) -> Option<PartFailure> {
    match fate {
        PartFate::Failed(failure) => Some(*failure),
        PartFate::Done { .. } | PartFate::KeyReused | PartFate::Revoked => None,
    }
}

fn all_refused(refused: IngestReply) -> Problem {
    let listed = match refused.errors_omitted {
        0 => String::new(),
        omitted => format!("; {omitted} more are not listed"),
    };
    let detail = format!("none of {} records could be accepted{listed}", refused.rejected);
    Problem::new(ProblemCode::RecordsRejected, detail).with_errors(refused.errors)
}

/// Under which id each accepted record of a part can be read: its own, else the one that tells where it lies.
fn fill_ids(ids: Option<&mut Vec<Option<String>>>, part: &Part, receipt: &Receipt, object_tag: u32) {
    let Some(ids) = ids else { return };
    let mut ours = receipt.ids(object_tag);
    for (index, (place, own)) in part.places.iter().zip(&part.own_ids).enumerate() {
        let id = match receipt.fate(index) {
            Fate::Accepted => {
                let ours = ours.next().map(|id| id.to_string());
                own.clone().or(ours)
            }
            // It is stored already, under the id that makes it a duplicate.
            Fate::Duplicate => own.clone(),
            Fate::CountedOnly => None,
        };
        if let Some(slot) = ids.get_mut(*place) {
            *slot = id;
        }
    }
}

fn component_reply(part: &Part, fate: &PartFate) -> ComponentReply {
    let blank = ComponentReply { component: part.component.clone(), records: part.count, ..ComponentReply::default() };
    match fate {
        PartFate::Done { receipt, .. } => ComponentReply {
            status: 202,
            accepted: u64::from(receipt.accepted),
            duplicate: u64::from(receipt.duplicate),
            counted_only: u64::from(receipt.counted_only),
            ..blank
        },
        PartFate::Failed(failure) => failed(blank, failure.code()),
        PartFate::KeyReused => failed(blank, ProblemCode::IdempotencyKeyReused),
        PartFate::Revoked => failed(blank, ProblemCode::KeyRevoked),
    }
}

/// Shards of a component are one line of the answer; if one of them failed, so did the component.
fn join(whole: &mut ComponentReply, piece: ComponentReply) {
    whole.records += piece.records;
    whole.accepted += piece.accepted;
    whole.duplicate += piece.duplicate;
    whole.counted_only += piece.counted_only;
    if piece.status > whole.status {
        (whole.status, whole.code) = (piece.status, piece.code);
    }
}

fn failed(blank: ComponentReply, code: ProblemCode) -> ComponentReply {
    ComponentReply { status: code.status(), code: Some(code.code().to_owned()), ..blank }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::machine::row::Place;
    use sapwood_engine::record_id::RecordId;
    use sapwood_engine::time::Timestamp;
    use sapwood_wire::ingest::Framing;
    use sapwood_wire::reply::FieldError;

    const AT: Timestamp = Timestamp(1_763_632_800_000);

    fn part(component: &str, places: &[usize]) -> Part {
        Part {
            component: component.to_owned(),
            places: places.to_vec(),
            own_ids: places.iter().map(|place| (*place == 9).then(|| "own".to_owned())).collect(),
            id_hashes: Vec::new(),
            count: places.len() as u64,
            segments: Vec::new(),
        }
    }

    fn prepared(parts: Vec<Part>, rejected: u64, has_ids: bool) -> Prepared {
        let total = parts.iter().map(|part| part.count).sum::<u64>() + rejected;
        let mut refused = IngestReply::default();
        for index in 0..rejected {
            refused.reject(FieldError { index: Some(index as usize), detail: "bad".into(), ..FieldError::default() });
        }
        Prepared { parts, refused, total: total as usize, has_ids, framing: Framing::Array, single: None }
    }

    fn receipt(accepted: u16, fates: Vec<Fate>) -> Receipt {
        let count = |wanted| fates.iter().filter(|fate| **fate == wanted).count() as u32;
        Receipt {
            at: AT,
            accepted: u32::from(accepted),
            duplicate: count(Fate::Duplicate),
            counted_only: count(Fate::CountedOnly),
            fates,
            places: vec![Place { seq: 7, first: 2, count: accepted }],
        }
    }

    fn done(component: &str, receipt: Receipt, is_replay: bool) -> PartFate {
        done_by(component, 0, receipt, is_replay)
    }

    fn done_by(component: &str, shard: u16, receipt: Receipt, is_replay: bool) -> PartFate {
        PartFate::Done { receipt, is_replay, component: component.to_owned(), shard }
    }

    /// The answer where each part has the fate at its place.
    fn assembled(mut prepared: Prepared, fates: Vec<PartFate>) -> Assembled {
        let parts = std::mem::take(&mut prepared.parts);
        assert_eq!(parts.len(), fates.len());
        assemble(prepared, parts.into_iter().zip(fates).collect())
    }

    #[test]
    fn pieces_of_a_component_have_ids_of_their_shards_and_are_one_line_of_the_answer() {
        let pieces = || vec![part("a", &[1]), part("a", &[0, 2]), part("b", &[3])];
        let stored = |failed: Option<PartFate>| {
            vec![
                done("a", receipt(1, vec![]), false),
                failed.unwrap_or_else(|| done_by("a", 2, receipt(2, vec![]), false)),
                done("b", receipt(1, vec![]), false),
            ]
        };
        let Assembled::Done { reply, .. } = assembled(prepared(pieces(), 0, true), stored(None)) else { panic!() };
        let id =
            |shard, index| RecordId { received_at: AT, object_tag: object_tag("a", shard), seq: 7, index }.to_string();
        let ids: Vec<_> = reply.ids.unwrap().into_iter().flatten().take(3).collect();
        assert_eq!(ids, [id(2, 2), id(0, 2), id(2, 3)]);
        let failed = Some(PartFate::Failed(PartFailure::Timeout));
        let Assembled::Partial(failure) = assembled(prepared(pieces(), 0, false), stored(failed)) else { panic!() };
        let json = serde_json::to_value(&failure).unwrap();
        let line = &json["components"][0];
        assert_eq!(
            (&line["component"], &line["records"], &line["accepted"], &line["status"]),
            (&"a".into(), &3.into(), &1.into(), &504.into())
        );
        assert_eq!(json["components"].as_array().map(Vec::len), Some(2));
        let all = vec![PartFate::Failed(PartFailure::Overloaded), PartFate::Failed(PartFailure::Overloaded)];
        let pieces = vec![part("a", &[0]), part("a", &[1])];
        let Assembled::Refused(problem) = assembled(prepared(pieces, 0, false), all) else { panic!() };
        assert_eq!(problem.code, "overloaded");
    }

    #[test]
    fn sums_are_added_and_equal_the_number_sent() {
        let fates = vec![
            done("a", receipt(2, vec![]), false),
            done("b", receipt(1, vec![Fate::Duplicate, Fate::Accepted, Fate::CountedOnly]), true),
        ];
        let parts = vec![part("a", &[0, 3]), part("b", &[1, 2, 4])];
        let Assembled::Done { reply, is_replay } = assembled(prepared(parts, 2, false), fates) else { panic!() };
        assert_eq!((reply.accepted, reply.duplicate, reply.counted_only, reply.rejected), (3, 1, 1, 2));
        assert_eq!((reply.total(), is_replay, reply.ids), (7, false, None));
        assert!(reply.components.is_empty());
    }

    #[test]
    fn a_replay_is_said_only_if_nothing_was_new() {
        let replay = |second| {
            let fates = vec![done("a", receipt(1, vec![]), true), done("b", receipt(1, vec![]), second)];
            match assembled(prepared(vec![part("a", &[0]), part("b", &[1])], 0, false), fates) {
                Assembled::Done { reply, is_replay } => (reply.accepted, is_replay),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(replay(true), (2, true), "the first answer comes again");
        assert_eq!(replay(false), (2, false));
    }

    #[test]
    fn ids_stand_where_their_records_stood() {
        let fates = vec![
            done("other", receipt(2, vec![Fate::Accepted, Fate::CountedOnly, Fate::Accepted]), false),
            done("b", receipt(0, vec![Fate::Duplicate]), false),
        ];
        let parts = vec![part("a", &[0, 2, 3]), part("b", &[9])];
        let mut prepared = prepared(parts, 0, true);
        prepared.total = 10;
        let Assembled::Done { reply, .. } = assembled(prepared, fates) else { panic!() };
        let id = |index| RecordId { received_at: AT, object_tag: object_tag("other", 0), seq: 7, index }.to_string();
        let ids = reply.ids.unwrap();
        assert_eq!((ids[0].clone(), ids[2].clone(), ids[3].clone()), (Some(id(2)), None, Some(id(3))));
        assert_eq!((ids[9].as_deref(), ids[1].clone()), (Some("own"), None));
    }

    #[test]
    fn one_part_that_failed_answers_with_its_own_problem() {
        for (failure, status, code) in [
            (PartFailure::Timeout, 504, "upstream_timeout"),
            (PartFailure::Overloaded, 503, "overloaded"),
            (PartFailure::Unavailable, 503, "unavailable"),
            (PartFailure::Broken, 500, "internal"),
        ] {
            let assembled = assembled(prepared(vec![part("a", &[0])], 1, false), vec![PartFate::Failed(failure)]);
            let Assembled::Refused(problem) = assembled else { panic!("{assembled:?}") };
            assert_eq!((problem.status, problem.code.as_str(), problem.retry_after), (status, code, Some(1)));
        }
    }

    #[test]
    fn of_several_parts_each_tells_its_status() {
        let fates = vec![done("a", receipt(1, vec![]), false), PartFate::Failed(PartFailure::Timeout)];
        let assembled = assembled(prepared(vec![part("a", &[0]), part("b", &[1, 2])], 0, false), fates);
        let Assembled::Partial(failure) = assembled else { panic!("{assembled:?}") };
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(
            (failure.status(), json["accepted"].as_u64(), json["retry_after"].as_u64()),
            (503, Some(1), Some(1))
        );
        assert_eq!(json["components"][0]["status"], 202);
        assert_eq!(json["components"][1]["status"], 504);
        assert_eq!(
            (&json["components"][1]["code"], &json["components"][1]["records"]),
            (&"upstream_timeout".into(), &2.into())
        );
    }

    #[test]
    fn a_revoked_key_and_a_reused_batch_key_refuse_everything() {
        let code = |fates| match assembled(prepared(vec![part("a", &[0]), part("b", &[1])], 0, false), fates) {
            Assembled::Refused(problem) => (problem.status, problem.code),
            other => panic!("{other:?}"),
        };
        let stored = || done("a", receipt(1, vec![]), false);
        assert_eq!(code(vec![stored(), PartFate::KeyReused]), (422, "idempotency_key_reused".to_owned()));
        assert_eq!(code(vec![PartFate::KeyReused, PartFate::Revoked]), (401, "key_revoked".to_owned()));
    }

    #[test]
    fn nothing_accepted_is_a_refusal_and_nothing_sent_is_not() {
        let Assembled::Refused(problem) = assembled(prepared(vec![], 150, false), vec![]) else { panic!() };
        assert_eq!((problem.status, problem.code.as_str(), problem.errors.len()), (400, "records_rejected", 100));
        assert!(problem.detail.contains("150") && problem.detail.contains("50 more"), "{}", problem.detail);
        let Assembled::Done { reply, is_replay } = assembled(prepared(vec![], 0, false), vec![]) else { panic!() };
        assert_eq!((reply.total(), is_replay), (0, false));
    }

    #[test]
    fn every_answer_of_an_object_has_its_meaning() {
        let fate = |answer| PartFate::of(answer, "a", 0);
        let failed = |failure| Some(PartFate::Failed(failure));
        assert_eq!(fate(Ok(AppendAnswer::MovedToOther)), None);
        assert_eq!(fate(Ok(AppendAnswer::KeyReused)), Some(PartFate::KeyReused));
        assert_eq!(fate(Ok(AppendAnswer::Revoked)), Some(PartFate::Revoked));
        assert_eq!(fate(Ok(AppendAnswer::Unreadable)), failed(PartFailure::Broken));
        assert_eq!(fate(Ok(AppendAnswer::Overloaded)), failed(PartFailure::Overloaded));
        assert_eq!(fate(Ok(AppendAnswer::Unregistered)), failed(PartFailure::Unavailable));
        assert_eq!(fate(Err(CallError::Timeout)), failed(PartFailure::Timeout));
        assert_eq!(fate(Err(CallError::Overloaded)), failed(PartFailure::Overloaded));
        assert_eq!(fate(Err(CallError::Failed("lost".into()))), failed(PartFailure::Unavailable));
        assert_eq!(fate(Err(CallError::Refused(500, "x".into()))), failed(PartFailure::Unavailable));
        assert_eq!(fate(Err(CallError::Unreadable("x".into()))), failed(PartFailure::Broken));
        let stored = fate(Ok(AppendAnswer::Replayed(receipt(1, vec![]))));
        assert_eq!(stored, Some(done("a", receipt(1, vec![]), true)));
    }
}
