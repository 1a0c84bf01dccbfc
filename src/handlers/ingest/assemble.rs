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
    pub fn of(answer: Result<AppendAnswer, CallError>, component: &str) -> Option<Self> {
        let done = |receipt, is_replay| Self::Done { receipt, is_replay, component: component.to_owned() };
        Some(match answer {
            Ok(AppendAnswer::Stored(receipt)) => done(receipt, false),
            Ok(AppendAnswer::Replayed(receipt)) => done(receipt, true),
            Ok(AppendAnswer::KeyReused) => Self::KeyReused,
            Ok(AppendAnswer::Revoked) => Self::Revoked,
            Ok(AppendAnswer::MovedToOther) => return None,
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

/// The answer, given the fate of each part in the order of the parts.
pub fn assemble(prepared: Prepared, fates: Vec<PartFate>) -> Assembled {
    let Prepared { parts, refused, total, has_ids, .. } = prepared;
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
    if let (true, Some(failure)) = (parts.len() == 1, failures.first()) {
        let problem = Problem::new(failure.code(), "");
        return Assembled::Refused(problem.with_retry_after(RETRY_AFTER_SECONDS));
    }
    let is_replay =
        !fates.is_empty() && fates.iter().all(|fate| matches!(fate, PartFate::Done { is_replay: true, .. }));
    let mut reply = IngestReply { ids: has_ids.then(|| vec![None; total]), ..refused };
    for (part, fate) in parts.iter().zip(&fates) {
        if let PartFate::Done { receipt, component, .. } = fate {
            reply.accepted += u64::from(receipt.accepted);
            reply.duplicate += u64::from(receipt.duplicate);
            reply.counted_only += u64::from(receipt.counted_only);
            fill_ids(reply.ids.as_mut(), part, receipt, component);
        }
    }
    if failures.is_empty() {
        return Assembled::Done { reply, is_replay };
    }
    reply.components = parts.iter().zip(&fates).map(|(part, fate)| component_reply(part, fate)).collect();
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
fn fill_ids(ids: Option<&mut Vec<Option<String>>>, part: &Part, receipt: &Receipt, component: &str) {
    let Some(ids) = ids else { return };
    let mut ours = receipt.ids(object_tag(component, 0));
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
        PartFate::Done { receipt, is_replay, component: component.to_owned() }
    }

    #[test]
    fn sums_are_added_and_equal_the_number_sent() {
        let fates = vec![
            done("a", receipt(2, vec![]), false),
            done("b", receipt(1, vec![Fate::Duplicate, Fate::Accepted, Fate::CountedOnly]), true),
        ];
        let parts = vec![part("a", &[0, 3]), part("b", &[1, 2, 4])];
        let Assembled::Done { reply, is_replay } = assemble(prepared(parts, 2, false), fates) else { panic!() };
        assert_eq!((reply.accepted, reply.duplicate, reply.counted_only, reply.rejected), (3, 1, 1, 2));
        assert_eq!((reply.total(), is_replay, reply.ids), (7, false, None));
        assert!(reply.components.is_empty());
    }

    #[test]
    fn a_replay_is_said_only_if_nothing_was_new() {
        let replay = |second| {
            let fates = vec![done("a", receipt(1, vec![]), true), done("b", receipt(1, vec![]), second)];
            match assemble(prepared(vec![part("a", &[0]), part("b", &[1])], 0, false), fates) {
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
        let Assembled::Done { reply, .. } = assemble(prepared, fates) else { panic!() };
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
            let assembled = assemble(prepared(vec![part("a", &[0])], 1, false), vec![PartFate::Failed(failure)]);
            let Assembled::Refused(problem) = assembled else { panic!("{assembled:?}") };
            assert_eq!((problem.status, problem.code.as_str(), problem.retry_after), (status, code, Some(1)));
        }
    }

    #[test]
    fn of_several_parts_each_tells_its_status() {
        let fates = vec![done("a", receipt(1, vec![]), false), PartFate::Failed(PartFailure::Timeout)];
        let assembled = assemble(prepared(vec![part("a", &[0]), part("b", &[1, 2])], 0, false), fates);
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
        let code = |fates| match assemble(prepared(vec![part("a", &[0]), part("b", &[1])], 0, false), fates) {
            Assembled::Refused(problem) => (problem.status, problem.code),
            other => panic!("{other:?}"),
        };
        let stored = || done("a", receipt(1, vec![]), false);
        assert_eq!(code(vec![stored(), PartFate::KeyReused]), (422, "idempotency_key_reused".to_owned()));
        assert_eq!(code(vec![PartFate::KeyReused, PartFate::Revoked]), (401, "key_revoked".to_owned()));
    }

    #[test]
    fn nothing_accepted_is_a_refusal_and_nothing_sent_is_not() {
        let Assembled::Refused(problem) = assemble(prepared(vec![], 150, false), vec![]) else { panic!() };
        assert_eq!((problem.status, problem.code.as_str(), problem.errors.len()), (400, "records_rejected", 100));
        assert!(problem.detail.contains("150") && problem.detail.contains("50 more"), "{}", problem.detail);
        let Assembled::Done { reply, is_replay } = assemble(prepared(vec![], 0, false), vec![]) else { panic!() };
        assert_eq!((reply.total(), is_replay), (0, false));
    }

    #[test]
    fn every_answer_of_an_object_has_its_meaning() {
        let fate = |answer| PartFate::of(answer, "a");
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
