//! `POST /api/logs`, `/api/logs/store`, `/api/logs/batch`, and the prototype's `POST /logs`.
//!
//! The order is fixed, cheapest first, and nothing of the body is looked at before the caller is known: credential,
//! flood limit, headers, declared size, bytes, inflated bytes, records. Then one call for each component, five at a
//! time, each with an identity of its own under the caller's `Idempotency-Key`, so that a retry completes what is
//! missing and repeats nothing.

pub mod assemble;
pub mod prepare;
mod spread;

pub use prepare::Understanding;

use super::{Answer, Call, Outcome, Refusal};
use crate::edge::address::OTHER;
use crate::edge::body::{self, Encoding};
use crate::edge::known::{DomainKnowledge, with_memory};
use crate::edge::{domain_view, flood};
use crate::monitoring::report;
use crate::processors::calls::{AppendAnswer, AppendCall, StreamAddress};
use assemble::{Assembled, PartFate, assemble};
use futures::{StreamExt, stream};
use prepare::{Intake, Part, Prepared, prepare};
use sapwood_engine::machine::row::BatchKey;
use sapwood_engine::machine::stream::Batch;
use sapwood_wire::idempotency::{IdempotencyKey, parse_idempotency_key};
use sapwood_wire::ingest::Framing;
use sapwood_wire::problem::{Problem, ProblemCode};
use worker::Request;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Calls at once for one request. The platform lets six connections wait for an answer; one is left for everything
/// else.
const CALLS_AT_ONCE: usize = 5;

/// Takes records in any framing.
pub async fn ingest(call: &Call<'_>, request: &mut Request) -> Outcome {
    let received = receive(call, request).await?;
    let has_representation = received.wants_ids;
    match store(call, received).await? {
        (Assembled::Done { reply, is_replay }, _) => Ok(Answer::Ingested { reply, is_replay, has_representation }),
        (Assembled::Partial(failure), _) => Ok(Answer::Partial(Box::new(failure))),
        (Assembled::Refused(problem), _) => Err(problem.into()),
    }
}

/// Takes one record of the prototype's API.
pub async fn submit(call: &Call<'_>, request: &mut Request) -> Outcome {
    let received = receive(call, request).await?;
    let prepared = &received.prepared;
    if prepared.framing != Framing::Object || prepared.total != 1 {
        let detail = "this route takes one record, as a JSON object; send batches to /api/logs/batch";
        return Err(Problem::new(ProblemCode::WrongTopLevel, detail).into());
    }
    match store(call, received).await? {
        (Assembled::Done { reply, is_replay }, Some(understanding)) => {
            let id = reply.ids.into_iter().flatten().flatten().next().unwrap_or_default();
            Ok(Answer::Submitted { id, understanding, is_replay })
        }
        (Assembled::Done { .. }, None) => Err(Problem::new(ProblemCode::Internal, "").into()),
        (Assembled::Partial(failure), _) => Ok(Answer::Partial(Box::new(failure))),
        (Assembled::Refused(problem), _) => Err(problem.into()),
    }
}

/// A request whose body is understood and of which nothing is stored yet.
struct Received {
    prepared: Prepared,
    batch: Option<(IdempotencyKey, u64)>,
    wants_ids: bool,
    knowledge: std::rc::Rc<DomainKnowledge>,
}

async fn receive(call: &Call<'_>, request: &mut Request) -> Result<Received, Refusal> {
    let Checked { knowledge, encoding, key, declared } = check_head(call).await?;
    let cap = call.config.body_bytes_max();
    let bytes = body::inflate(body::read(request, declared, cap).await?, encoding, cap)?;
    let wants_ids = prefers_representation(call.head.header("Prefer").as_deref());
    let batch = key.map(|key| {
        let fingerprint = xxh3_64(&bytes);
        (key, fingerprint)
    });
    let prepared = prepare(
        &bytes,
        Intake {
            now: call.now,
            default_environment: call.config.environment().word(),
            key_component: call.principal.component.as_ref().map(|component| component.as_str()),
            redactor: &knowledge.redactor,
            records_max: call.config.request_records_max(),
            wants_ids,
        },
    )?;
    Ok(Received { prepared, batch, wants_ids, knowledge })
}

/// What the headers say, before the body.
struct Checked {
    knowledge: std::rc::Rc<DomainKnowledge>,
    encoding: Encoding,
    key: Option<IdempotencyKey>,
    declared: Option<usize>,
}

async fn check_head(call: &Call<'_>) -> Result<Checked, Refusal> {
    flood::check(call.env, &flood::subject(&call.principal)).await?;
    let header = |name: &str| call.head.header(name);
    body::check_content_type(header("Content-Type").as_deref())?;
    let encoding = Encoding::of(header("Content-Encoding").as_deref())?;
    let key = header("Idempotency-Key").map(|text| read_key(&text)).transpose()?;
    let declared = body::check_declared(header("Content-Length").as_deref(), call.config.body_bytes_max())?;
    let knowledge = domain_view::for_intake(call).await?;
    call.check_revocation(&knowledge)?;
    Ok(Checked { knowledge, encoding, key, declared })
}

fn read_key(text: &str) -> Result<IdempotencyKey, Problem> {
    parse_idempotency_key(text).map_err(|error| Problem::new(ProblemCode::InvalidIdempotencyKey, error.to_string()))
}

/// Whether the caller asks for what was made of the records (RFC 7240).
fn prefers_representation(prefer: Option<&str>) -> bool {
    let mut preferences = prefer.unwrap_or_default().split([',', ';']).map(str::trim);
    preferences.any(|one| {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        name.trim().eq_ignore_ascii_case("return") && value.trim().trim_matches('"') == "representation"
    })
}

async fn store(call: &Call<'_>, received: Received) -> Result<(Assembled, Option<Understanding>), Refusal> {
    let Received { mut prepared, batch, knowledge, .. } = received;
    let understanding = prepared.single.take();
    let rejected = u32::try_from(prepared.refused.rejected).unwrap_or(u32::MAX);
    let parts: Vec<Part> = std::mem::take(&mut prepared.parts);
    let sending = Sending { call, knowledge: &knowledge, batch: batch.as_ref() };
    let fated = sending.send_all(parts, rejected).await;
    Ok((assemble(prepared, fated), understanding))
}

/// What all parts of a request share on their way.
struct Sending<'a> {
    call: &'a Call<'a>,
    knowledge: &'a DomainKnowledge,
    batch: Option<&'a (IdempotencyKey, u64)>,
}

impl Sending<'_> {
    /// Sends the parts, some at once; each with its fate, or in pieces, in the order of the parts.
    async fn send_all(&self, mut parts: Vec<Part>, rejected: u32) -> Vec<(Part, PartFate)> {
        // Nearly every request is of one component. Waiting for one of several costs a task with a waker of its own.
        if parts.len() == 1
            && let Some(part) = parts.pop()
        {
            return self.send(part, rejected).await;
        }
        let sends = parts.into_iter().enumerate().map(|(at, part)| async move {
            let rejected = if at == 0 { rejected } else { 0 };
            (at, self.send(part, rejected).await)
        });
        let mut fates: Vec<_> = stream::iter(sends).buffer_unordered(CALLS_AT_ONCE).collect().await;
        fates.sort_by_key(|(at, _)| *at);
        fates.into_iter().flat_map(|(_, fated)| fated).collect()
    }

    /// Sends one part to its object, or to `other` if the domain has no room for its component.
    async fn send(&self, part: Part, rejected: u32) -> Vec<(Part, PartFate)> {
        let call = self.call;
        let is_moved = with_memory(|memory| memory.is_moved(call.domain(), &part.component, call.now));
        let wanted = if is_moved { OTHER.to_owned() } else { part.component.clone() };
        let Sent { mut fated, moved, rejected } = self.send_to(&wanted, part, rejected).await;
        if let Some(moved) = moved {
            with_memory(|memory| memory.move_to_other(call.domain(), &moved.component, call.now));
            let sent = self.send_to(OTHER, moved, rejected).await;
            fated.extend(sent.fated);
            // `other` always has room; if it says otherwise, the records are not stored.
            fated.extend(sent.moved.map(|part| (part, PartFate::Failed(assemble::PartFailure::Unavailable))));
        }
        fated
    }

    async fn send_to(&self, component: &str, mut part: Part, rejected: u32) -> Sent {
        let call = self.call;
        let mut map = with_memory(|memory| memory.shard_map(self.knowledge, call.domain(), component));
        if map.is_whole() {
            let segments = std::mem::take(&mut part.segments);
            let append = append_call(call, component, &part, self.batch, segments, rejected);
            let answer = call.stubs().append(&append).await;
            if let Err(error) = &answer {
                report("AppendFailed", &[("request", &call.head.request_id), ("error", error)]);
            }
            if let Ok(AppendAnswer::Newer(newer)) = answer {
                with_memory(|memory| memory.learn_shards(call.domain(), component, &newer));
                part.segments = append.batch.segments;
                map = newer;
            } else {
                let Some(fate) = PartFate::of(answer, component, 0) else {
                    part.segments = append.batch.segments;
                    return Sent { fated: Vec::new(), moved: Some(part), rejected };
                };
                return Sent { fated: vec![(part, fate)], moved: None, rejected };
            }
        }
        let window = self.knowledge.config.idempotency_window();
        spread::spread(self, component, &part, rejected, (map, window)).await
    }
}

/// What came of sending a part.
struct Sent {
    /// Records with their fate: the part, or pieces of it.
    fated: Vec<(Part, PartFate)>,
    /// Those for which the domain has no room.
    moved: Option<Part>,
    /// The refused records of the request, if no call has told of them.
    rejected: u32,
}

fn append_call(
    call: &Call<'_>,
    component: &str,
    part: &Part,
    batch: Option<&(IdempotencyKey, u64)>,
    segments: Vec<Vec<u8>>,
    rejected: u32,
) -> AppendCall {
    let key = batch.map(|(key, fingerprint)| BatchKey {
        hash: key_hash(call.domain(), key.as_str(), &part.component),
        fingerprint: *fingerprint,
    });
    AppendCall {
        address: StreamAddress { domain: call.domain().to_owned(), component: component.to_owned(), shard: 0 },
        batch: Batch { key, key_id: call.principal.key_id.map(|id| id.to_string()), segments, rejected, under: None },
    }
}

/// The identity of one component's part of a batch. The component is in it because two parts may end in the same
/// object, `other`, where the second must not be taken for a repetition of the first.
fn key_hash(domain: &str, key: &str, component: &str) -> u64 {
    let mut hash = Xxh3::new();
    for text in [domain, key, component] {
        hash.update(text.as_bytes());
        hash.update(&[0]);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_representation_is_preferred_in_any_spelling_of_the_header() {
        for yes in ["return=representation", "respond-async, Return=representation", "return=\"representation\";x"] {
            assert!(prefers_representation(Some(yes)), "{yes}");
        }
        for no in ["return=minimal", "representation", "", "return"] {
            assert!(!prefers_representation(Some(no)), "{no}");
        }
        assert!(!prefers_representation(None));
    }

    #[test]
    fn each_part_of_a_batch_has_an_identity_of_its_own() {
        let hash = key_hash("a.com", "key", "cart");
        assert_eq!(hash, key_hash("a.com", "key", "cart"));
        for (domain, key, component) in
            [("b.com", "key", "cart"), ("a.com", "key2", "cart"), ("a.com", "key", "pay"), ("a.com", "keyc", "art")]
        {
            assert_ne!(hash, key_hash(domain, key, component));
        }
    }

    #[test]
    fn a_malformed_batch_key_is_refused() {
        assert_eq!(read_key("\"open").unwrap_err().code, "invalid_idempotency_key");
        assert_eq!(read_key("\"a\"").unwrap().as_str(), "a");
    }
}
