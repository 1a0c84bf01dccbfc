//! From an inflated body to what each component's object is sent: decode, normalize, redact, triage, address, group,
//! encode. Pure; each record ends in a group or among the refused, and the sum of both is the number sent.

use crate::edge::address::{self, OTHER};
use sapwood_engine::normalize::{NormalizeContext, normalize_onto};
use sapwood_engine::record::{RawRecord, Record, Rejection};
use sapwood_engine::redact::Redactor;
use sapwood_engine::segment;
use sapwood_engine::shard::id_hash;
use sapwood_engine::time::Timestamp;
use sapwood_wire::convert::field_error;
use sapwood_wire::ingest::{Framing, decode};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::IngestReply;
use std::collections::BTreeMap;

/// Components that one request may address. Each costs a call; 100 of them, five at a time, stay within a second and
/// far within the platform's 1,000 calls a request. Of more, those with the fewest records go to `other` together: it
/// depends on the body alone, so that a retry goes the same ways.
pub const COMPONENTS_MAX: usize = 100;

/// What is known beside the body.
#[derive(Clone, Copy)]
pub struct Intake<'a> {
    /// Receive time.
    pub now: Timestamp,
    /// Environment of a record that names none.
    pub default_environment: &'a str,
    /// Component of the credential.
    pub key_component: Option<&'a str>,
    /// Removes secrets.
    pub redactor: &'a Redactor,
    /// Records that one request may hold.
    pub records_max: usize,
    /// Whether ids are wanted for more than a single record.
    pub wants_ids: bool,
}

/// One component's part of a request.
#[derive(Debug, Default, PartialEq)]
pub struct Part {
    /// The component's address.
    pub component: String,
    /// Place in the request of each record of the part, from 0; filled if ids are wanted.
    pub places: Vec<usize>,
    /// The caller's own ids, in the same order; filled if ids are wanted.
    pub own_ids: Vec<Option<String>>,
    /// Hash of the own id of each record, in the same order; empty if none has one.
    pub id_hashes: Vec<Option<u64>>,
    /// Records.
    pub count: u64,
    /// The records, encoded.
    pub segments: Vec<Vec<u8>>,
}

/// What a single record was understood as, for those who sent one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Understanding {
    /// Its category.
    pub category: String,
    /// Its level as a word.
    pub severity: &'static str,
    /// What triage suggests.
    pub actions: Vec<String>,
}

/// A request, ready to be sent on.
#[derive(Debug, PartialEq)]
pub struct Prepared {
    /// Parts, by component.
    pub parts: Vec<Part>,
    /// The refused records, counted and listed; its other sums are zero.
    pub refused: IngestReply,
    /// Records sent.
    pub total: usize,
    /// Whether ids are wanted.
    pub has_ids: bool,
    /// How the body was framed.
    pub framing: Framing,
    /// The one accepted record, if one was sent.
    pub single: Option<Understanding>,
}

/// Prepares a body.
///
/// # Errors
/// The body as a whole is refused; nothing of it may be stored.
pub fn prepare(body: &[u8], intake: Intake<'_>) -> Result<Prepared, Problem> {
    let mut decoded = decode(body).map_err(|error| {
        let problem = Problem::from(&error);
        Problem { detail: intake.redactor.redact_text(&problem.detail).into_owned(), ..problem }
    })?;
    let total = decoded.records.len();
    if total > intake.records_max {
        let detail = format!("at most {} records are accepted in one request", intake.records_max);
        return Err(Problem::new(ProblemCode::TooManyRecords, detail).with_limit(intake.records_max as u64));
    }
    let has_ids = intake.wants_ids || total == 1;
    let mut refused = IngestReply::default();
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut address = LastAddress::default();
    for (place, sent) in decoded.records.iter_mut().enumerate() {
        let understood = match sent {
            Ok(raw) => {
                address.set(raw.component.as_deref().or(raw.service.as_deref()), intake);
                match groups.get_mut(&address.component) {
                    Some(group) => group.add(place, raw, intake),
                    None => {
                        // Most requests are of one component.
                        let room = if groups.is_empty() { total - place } else { 1 };
                        let mut group = Group::with_room(room);
                        group.add(place, raw, intake).map(|()| {
                            groups.insert(address.component.clone(), group);
                        })
                    }
                }
            }
            Err(rejection) => Err(rejection.clone()),
        };
        if let Err(rejection) = understood {
            refuse(&mut refused, rejection, place, decoded.framing, intake.redactor);
        }
    }
    let single =
        (total == 1).then(|| groups.values().find_map(|group| group.records.first())).flatten().map(|record| {
            Understanding {
                category: record.category.clone(),
                severity: record.level.class().word(),
                actions: record.triage.actions.iter().map(|action| (*action).to_owned()).collect(),
            }
        });
    fold_smallest(&mut groups);
    let parts = groups.into_iter().map(|(component, group)| part(component, group, has_ids)).collect();
    Ok(Prepared { parts, refused, total, has_ids, framing: decoded.framing, single })
}

/// The address of the record before: nearly always that of the next one, too, which need not be derived again.
#[derive(Default)]
struct LastAddress {
    /// The name that the record gave; none before the first record.
    named: Option<Option<String>>,
    component: String,
}

impl LastAddress {
    /// Makes `component` the address of a record that gives the name `named`.
    fn set(&mut self, named: Option<&str>, intake: Intake<'_>) {
        if self.named.as_ref().is_none_or(|last| last.as_deref() != named) {
            self.component = address::component(intake.key_component, named, intake.redactor);
            self.named = Some(named.map(str::to_owned));
        }
    }
}

/// A refusal repeats what was sent, in its reason and in the names of its fields: redacted like everything else.
fn refuse(reply: &mut IngestReply, mut rejection: Rejection, place: usize, framing: Framing, redactor: &Redactor) {
    rejection.reason = redactor.redact_text(&rejection.reason).into_owned();
    rejection.field = redactor.redact_text(&rejection.field).into_owned();
    reply.reject(field_error(&rejection, place, framing));
}

/// Records of one component, with the place of each in the request. A record is large: it is made here and not moved before
/// it is encoded.
struct Group {
    places: Vec<usize>,
    records: Vec<Record>,
}

/// Records for which room is made at once: a quarter of a megabyte.
const ROOM_MAX: usize = 256;

impl Group {
    /// No records, and room for so many, though not for more than are sent at once as a rule.
    fn with_room(records: usize) -> Self {
        let records = records.min(ROOM_MAX);
        Self { places: Vec::with_capacity(records), records: Vec::with_capacity(records) }
    }

    /// Adds the meaning of one record, without its secrets, or nothing if the record is refused.
    fn add(&mut self, place: usize, raw: &mut RawRecord, intake: Intake<'_>) -> Result<(), Rejection> {
        let context = NormalizeContext {
            now: intake.now,
            default_environment: intake.default_environment,
            key_component: intake.key_component,
        };
        intake.redactor.redact(normalize_onto(raw, &context, &mut self.records)?);
        self.places.push(place);
        Ok(())
    }
}

fn fold_smallest(groups: &mut BTreeMap<String, Group>) {
    if groups.len() <= COMPONENTS_MAX {
        return;
    }
    let mut by_size: Vec<_> = groups.iter().map(|(name, group)| (group.records.len(), name.clone())).collect();
    by_size.sort_by(|(left, one), (right, other)| right.cmp(left).then_with(|| one.cmp(other)));
    let folded = by_size.into_iter().filter(|(_, name)| name != OTHER).skip(COMPONENTS_MAX - 1);
    let names = std::iter::once(OTHER.to_owned()).chain(folded.map(|(_, name)| name));
    let mut moved: Vec<(usize, Record)> = Vec::new();
    for group in names.filter_map(|name| groups.remove(&name)) {
        moved.extend(group.places.into_iter().zip(group.records));
    }
    moved.sort_by_key(|(place, _)| *place);
    let (places, records) = moved.into_iter().unzip();
    groups.insert(OTHER.to_owned(), Group { places, records });
}

impl Part {
    /// Some of the records, by place in the part, without their segments: what is said of them in the answer.
    pub(super) fn piece(&self, records: &[usize]) -> Self {
        let of = |places: &[usize]| records.iter().filter_map(|&at| places.get(at).copied()).collect();
        Self {
            component: self.component.clone(),
            places: of(&self.places),
            own_ids: records.iter().filter_map(|&at| self.own_ids.get(at).cloned()).collect(),
            id_hashes: Vec::new(),
            count: records.len() as u64,
            segments: Vec::new(),
        }
    }

    /// Some of the records, with their segments: what can be sent elsewhere.
    pub(super) fn piece_with(&self, records: &[usize], segments: Vec<Vec<u8>>) -> Self {
        let id_hashes = records.iter().filter_map(|&at| self.id_hashes.get(at).copied()).collect();
        Self { id_hashes, segments, ..self.piece(records) }
    }
}

fn part(component: String, Group { places, records }: Group, has_ids: bool) -> Part {
    let hash = |record: &Record| record.id.as_ref().map(|id| id_hash(id));
    let has_ids_of_its_own = records.iter().any(|record| record.id.is_some());
    Part {
        component,
        id_hashes: if has_ids_of_its_own { records.iter().map(hash).collect() } else { Vec::new() },
        own_ids: if has_ids { records.iter().map(|record| record.id.clone()).collect() } else { Vec::new() },
        places: if has_ids { places } else { Vec::new() },
        count: records.len() as u64,
        segments: segment::encode(&records),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::record::TriageLevel;

    const NOW: Timestamp = Timestamp(1_763_632_800_000);

    fn prepared(body: &str, key_component: Option<&str>, wants_ids: bool) -> Result<Prepared, Problem> {
        let redactor = Redactor::default();
        let intake = Intake {
            now: NOW,
            default_environment: "staging",
            key_component,
            redactor: &redactor,
            records_max: 1_000,
            wants_ids,
        };
        prepare(body.as_bytes(), intake)
    }

    fn records(part: &Part) -> Vec<Record> {
        part.segments.iter().flat_map(|segment| segment::decode(segment).unwrap()).collect()
    }

    #[test]
    fn records_are_grouped_by_address_in_the_order_sent() {
        let body = r#"[{"message":"a","component":"x"},{"message":"b"},{"message":"c","service":"x"}]"#;
        let prepared = prepared(body, None, true).unwrap();
        let names: Vec<_> = prepared.parts.iter().map(|part| (part.component.as_str(), part.places.clone())).collect();
        assert_eq!(names, [("default", vec![1]), ("x", vec![0, 2])]);
        let messages: Vec<_> = records(&prepared.parts[1]).into_iter().map(|record| record.message).collect();
        assert_eq!(messages, ["a", "c"]);
        assert_eq!((prepared.total, prepared.refused.rejected), (3, 0));
        assert_eq!(records(&prepared.parts[0])[0].environment, "staging");
    }

    #[test]
    fn the_key_s_component_takes_all() {
        let body = r#"{"logs":[{"message":"a","component":"x"},{"message":"b"}]}"#;
        let prepared = prepared(body, Some("cart"), false).unwrap();
        assert_eq!(prepared.parts.iter().map(|part| (&*part.component, part.count)).collect::<Vec<_>>(), [("cart", 2)]);
        assert!(prepared.parts[0].places.is_empty() && prepared.parts[0].own_ids.is_empty(), "nobody asked");
    }

    #[test]
    fn a_bad_record_is_refused_beside_its_neighbours_and_its_secrets_are_not_repeated() {
        let body = r#"[{"message":"a"},{"level":"info"},{"message":"b","level":"password=hunter2"}]"#;
        let prepared = prepared(body, None, false).unwrap();
        assert_eq!((prepared.parts[0].count, prepared.refused.rejected), (1, 2));
        let told: Vec<_> = prepared.refused.errors.iter().map(|error| (error.index, error.code.as_str())).collect();
        assert_eq!(told, [(Some(1), "missing_message"), (Some(2), "unknown_level")]);
        assert!(!format!("{:?}", prepared.refused).contains("hunter2"), "{:?}", prepared.refused);
    }

    #[test]
    fn what_is_encoded_is_redacted_and_triaged() {
        let body = r#"{"message":"database unreachable password=hunter2","level":"error","password":"x"}"#;
        let prepared = prepared(body, None, false).unwrap();
        let record = records(&prepared.parts[0]).remove(0);
        assert!(!format!("{record:?}").contains("hunter2"));
        assert!(record.triage.level != TriageLevel::Low && !record.redactions.is_empty());
        assert_eq!(prepared.single.unwrap().severity, "error");
    }

    #[test]
    fn one_record_has_its_id_reported_and_a_batch_only_when_asked() {
        assert_eq!(
            prepared(r#"{"message":"a","id":"mine"}"#, None, false).unwrap().parts[0].own_ids,
            [Some("mine".into())]
        );
        let batch = r#"[{"message":"a","id":"mine"},{"message":"b"}]"#;
        assert!(prepared(batch, None, false).unwrap().parts[0].own_ids.is_empty());
        assert_eq!(prepared(batch, None, true).unwrap().parts[0].own_ids, [Some("mine".into()), None]);
        assert!(prepared("[]", None, true).unwrap().parts.is_empty());
    }

    #[test]
    fn too_many_components_fold_into_other_by_the_body_alone() {
        let mut lines = String::new();
        for number in 0..150 {
            lines.push_str(&format!("{{\"message\":\"m{number}\",\"component\":\"c{number:03}\"}}\n"));
        }
        lines.push_str("{\"message\":\"again\",\"component\":\"c149\"}\n{\"message\":\"o\",\"component\":\"other\"}");
        let prepared = prepared(&lines, None, true).unwrap();
        assert_eq!(prepared.parts.len(), COMPONENTS_MAX);
        assert_eq!(prepared.parts.iter().map(|part| part.count).sum::<u64>(), 152);
        let other = prepared.parts.iter().find(|part| part.component == OTHER).unwrap();
        assert_eq!(other.count, 52, "150 components less the 99 that stay, and its own");
        assert!(other.places.is_sorted());
        assert!(prepared.parts.iter().any(|part| part.component == "c149" && part.count == 2), "the largest stays");
    }

    #[test]
    fn whole_bodies_are_refused_with_their_place_and_without_their_secrets() {
        let broken = prepared("{\"message\":\"a\",}", None, false).unwrap_err();
        assert_eq!((broken.status, broken.code.as_str()), (400, "invalid_json"));
        assert!(broken.byte_offset.is_some());
        let redactor = Redactor::default();
        let intake = Intake {
            now: NOW,
            default_environment: "x",
            key_component: None,
            redactor: &redactor,
            records_max: 1,
            wants_ids: false,
        };
        let many = prepare(b"[{\"message\":\"a\"},{\"message\":\"b\"}]", intake).unwrap_err();
        assert_eq!((many.status, many.limit), (413, Some(1)));
    }
}
