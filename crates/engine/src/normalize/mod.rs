//! From what was sent to what it means: a [`RawRecord`] becomes a [`Record`] or a [`Rejection`].
//!
//! Every field is made safe to show ([`text`]), brought within its limit, and either given by the caller or derived
//! by a stated rule from the message, the endpoint, and the stack. What is given is believed; what is derived is
//! judged by whole words ([`words`]), never by parts of words. What could not be used stays visible as an attribute,
//! with a defect. Only a missing message and an unknown level refuse a record.
//!
//! Each step owns its noun: [`text`], `template`, `message`, `moment`, [`severity`], `environment`, `source`, `category`,
//! `component`, [`endpoint`], [`stack`], `trace`, `fields`. This file is their order. Normalizing is total, reads no
//! clock, and costs time linear in the size of the record with a bounded share for words.
//!
//! Left out: redaction, which sees the finished record; patterns; and the address of a record, which its credential
//! decides.

mod category;
mod component;
pub mod endpoint;
mod environment;
mod fields;
mod message;
mod moment;
mod notes;
pub mod severity;
mod source;
pub mod stack;
pub mod status;
mod template;
pub mod text;
mod trace;
pub(crate) mod vocabulary;
pub mod words;

use crate::fault::Fault;
use crate::level::{Level, LevelClass};
use crate::limits;
use crate::record::{Defect, ErrorType, Frame, RawRecord, Record, Rejection, Source, Triage, TriageLevel};
use crate::time::Timestamp;
use crate::triage::record::triage_words;
use crate::value::{Fields, Value, field};
pub use component::UNKNOWN as COMPONENT_UNKNOWN;
use notes::Notes;
use vocabulary::Meaning;
use words::{Words, meaning_of};

/// What is known about a record from outside of it.
#[derive(Clone, Copy, Debug)]
pub struct NormalizeContext<'a> {
    /// When the record was received.
    pub now: Timestamp,
    /// Environment of a record that names none.
    pub default_environment: &'a str,
    /// Component that the credential names, if it names one: known, hence preferred to a derived one.
    pub key_component: Option<&'a str>,
}

/// Understands one record; see the module for the rules.
///
/// # Errors
/// [`Rejection`] if there is no message, the message says nothing, or the level is none that is known.
pub fn normalize(mut raw: RawRecord, ctx: &NormalizeContext<'_>) -> Result<Record, Rejection> {
    normalize_out_of(&mut raw, ctx)
}

/// The same, of a record that stays where it is, without what it gave.
///
/// # Errors
/// As [`normalize`].
pub fn normalize_out_of(raw: &mut RawRecord, ctx: &NormalizeContext<'_>) -> Result<Record, Rejection> {
    let mut records = Vec::with_capacity(1);
    normalize_onto(raw, ctx, &mut records)?;
    Ok(records.pop().unwrap_or_default())
}

/// The same, put behind `records` as it is made: both are nearly a kilobyte, and moving them costs more than reading their
/// fields. Nothing is put there if the record is refused.
///
/// # Errors
/// As [`normalize`].
pub fn normalize_onto<'r>(
    raw: &mut RawRecord,
    ctx: &NormalizeContext<'_>,
    records: &'r mut Vec<Record>,
) -> Result<&'r mut Record, Rejection> {
    template::adopt(raw);
    let mut notes = Notes::new(std::mem::take(&mut raw.defects));
    let texts = message::read(raw.message.take(), raw.stack_trace.take(), &mut notes)?;
    let sent_level = raw.level.as_deref().map_or(Ok(None), severity::read)?;

    // A level that is not sent may be told by a status: then every word counts, numbers above all.
    let words = match sent_level {
        Some(_) => Words::known_of(&texts.message, texts.escaped),
        None => Words::of(&texts.message, texts.escaped),
    };
    let stack = read_stack(&texts);
    let fault = Fault::of(&stack, &texts.message, texts.stack_trace.as_deref().unwrap_or_default());
    let fault = fault.map(Box::new);
    let mut frames = stack.frames;
    frames.truncate(limits::FRAMES_MAX);

    let mut attributes = std::mem::take(&mut raw.attributes);
    keep_exception_type(stack.exception_type, &mut attributes);
    let url = notes.field(raw.url.take());
    let endpoint = read_endpoint(raw.endpoint.take(), url.as_deref(), &texts.message, &mut notes);
    let endpoint_meaning = endpoint.as_deref().map(meaning_of);

    let sent_error_type = source::given_error_type(raw.error_type.take(), &mut notes);
    let level = sent_level.unwrap_or_else(|| {
        notes.defect(Defect::LevelAssumed);
        severity::derive(severity::Evidence {
            error_type: sent_error_type,
            message: &texts.message,
            status: status::of(&words, &attributes),
            thrown: texts.stack_trace.is_some() || words.meaning.has(Meaning::THROWN),
        })
    });

    let known = Known {
        environment: environment::given(raw.environment.take(), &mut notes)
            .or_else(|| environment::derive(&words, endpoint_meaning.unwrap_or_default()).map(String::from)),
        source: source::given(raw.source.take(), &mut notes).or_else(|| source::derive(&words, &frames)),
        error_type: sent_error_type,
        component: read_component(raw.component.take(), raw.service.as_deref(), ctx, &mut notes)
            .or_else(|| component::derive(&frames, endpoint.as_deref(), &words, &texts.message)),
        endpoint,
        category: category::given(raw.category.take(), &mut notes),
        level_sent: sent_level.is_some(),
    };
    let dimensions = known.settle(Settling {
        words: &words,
        message: &texts.message,
        has_stack: texts.stack_trace.is_some(),
        endpoint: endpoint_meaning,
        level,
        default_environment: ctx.default_environment,
    });

    let (trace_id, span_id) = trace::read(raw.trace_id.take(), raw.span_id.take(), &attributes, &mut notes);
    let record = records.push_mut(Record {
        id: fields::id(raw.id.take(), &mut notes),
        timestamp: moment::read(std::mem::take(&mut raw.timestamp), ctx.now, &mut notes),
        level,
        message: texts.message,
        component: dimensions.component,
        service: notes.field(raw.service.take()),
        environment: dimensions.environment,
        source: dimensions.source,
        error_type: dimensions.error_type,
        error_code: notes.field(raw.error_code.take()),
        endpoint: dimensions.endpoint,
        category: dimensions.category,
        priority: 0,
        user_id: notes.field(raw.user_id.take()),
        session_id: notes.field(raw.session_id.take()),
        request_id: notes.field(raw.request_id.take()),
        trace_id,
        span_id,
        release: notes.field(raw.release.take()),
        stack_trace: texts.stack_trace,
        frames: clean_frames(frames, &mut notes),
        fault,
        url,
        method: fields::method(raw.method.take(), &mut notes),
        ip: fields::address(raw.ip.take(), &mut notes),
        user_agent: notes.field(raw.user_agent.take()),
        duration_ms: fields::measure(raw.duration_ms, "duration_ms", &mut notes),
        memory_usage: fields::measure(raw.memory_usage, "memory_usage", &mut notes),
        feature: notes.field(raw.feature.take()),
        workflow: notes.field(raw.workflow.take()),
        tags: std::mem::take(&mut raw.tags),
        attributes,
        message_template: notes.field_within(raw.message_template.take(), limits::MESSAGE_BYTES_MAX),
        triage: Triage::default(),
        categorization_confidence: dimensions.confidence,
        defects: Vec::new(),
        redactions: Vec::new(),
    });
    fields::bound_tags(&mut record.tags, &mut notes);
    record.priority = read_priority(raw.priority, &mut notes);
    keep_aside(std::mem::take(&mut notes.aside), &mut record.attributes);
    fields::bound_attributes(&mut record.attributes, &mut notes);
    record.defects = notes.defects;
    record.triage = triage_words(record, &words);
    if record.priority == 0 {
        record.priority = derived_priority(level, record.triage.level);
    }
    Ok(record)
}

/// The dimensions of a record that the caller or its words named.
struct Known {
    environment: Option<String>,
    source: Option<Source>,
    error_type: Option<ErrorType>,
    component: Option<String>,
    endpoint: Option<String>,
    category: Option<String>,
    level_sent: bool,
}

/// What the dimensions that nobody named are settled by.
struct Settling<'a> {
    words: &'a Words,
    message: &'a str,
    has_stack: bool,
    endpoint: Option<Meaning>,
    level: Level,
    default_environment: &'a str,
}

/// All dimensions, named or settled.
struct Dimensions {
    environment: String,
    source: Source,
    error_type: ErrorType,
    component: String,
    endpoint: Option<String>,
    category: String,
    confidence: u8,
}

impl Known {
    /// Gives every dimension a value. The confidence is 20 for each of the six that was known, and 10 more beyond
    /// three and beyond five of them, at most 100. An error type is known if it, or the level that decides it, was sent.
    fn settle(self, by: Settling<'_>) -> Dimensions {
        let category_known = self.category.is_some();
        let (category, spoken) = match self.category {
            Some(name) => (name, true),
            None => {
                let component = self.component.as_deref().map(meaning_of).unwrap_or_default();
                let evidence =
                    category::Evidence { words: by.words, endpoint: by.endpoint, component, level: by.level };
                let (name, spoken) = category::derive(evidence);
                (name.to_string(), spoken)
            }
        };
        let known = [
            self.environment.is_some(),
            self.source.is_some(),
            self.error_type.is_some() || self.level_sent,
            self.component.is_some(),
            self.endpoint.is_some(),
            category_known || spoken,
        ];
        Dimensions {
            environment: self.environment.unwrap_or_else(|| by.default_environment.to_string()),
            source: self.source.unwrap_or_default(),
            error_type: self
                .error_type
                .unwrap_or_else(|| source::derive_error_type(by.level, by.has_stack, by.words, by.message)),
            component: self.component.unwrap_or_else(|| component::UNKNOWN.to_string()),
            endpoint: self.endpoint,
            category,
            confidence: confidence(known.into_iter().filter(|known| *known).count()),
        }
    }
}

fn confidence(known: usize) -> u8 {
    const BY_COUNT: [u8; 6] = [0, 20, 40, 60, 90, 100];
    BY_COUNT.get(known).copied().unwrap_or(100)
}

/// The component as sent, else the service, else the one of the credential.
fn read_component(
    sent: Option<String>,
    service: Option<&str>,
    ctx: &NormalizeContext<'_>,
    notes: &mut Notes,
) -> Option<String> {
    let mut read = |sent: Option<String>| notes.field_within(sent, limits::COMPONENT_BYTES_MAX);
    read(sent).or_else(|| read(service.map(String::from))).or_else(|| ctx.key_component.map(String::from))
}

/// The endpoint as sent, else the path of the URL, else what the message names; as a template.
fn read_endpoint(sent: Option<String>, url: Option<&str>, message: &str, notes: &mut Notes) -> Option<String> {
    let found = match notes.field(sent) {
        Some(sent) => Some(endpoint::template(&sent).unwrap_or(sent)),
        None => url.and_then(path_of).and_then(endpoint::template).or_else(|| endpoint::from_message(message)),
    };
    notes.field(found)
}

/// The path of a URL, or of a bare path with a query.
fn path_of(url: &str) -> Option<&str> {
    let after_host = match url.split_once("://") {
        Some((_, rest)) => rest.get(rest.find(['/', '?', '#'])?..)?,
        None => url,
    };
    let path = after_host.split(['?', '#']).next()?;
    path.starts_with('/').then_some(path)
}

/// The stack, and what its exception is called. Where the stack does not name it, the line above the stack does: the
/// message.
fn read_stack(texts: &message::Texts) -> stack::ParsedStack {
    let Some(text) = texts.stack_trace.as_deref() else { return stack::ParsedStack::default() };
    let mut parsed = stack::parse_frames(text);
    if parsed.exception_type.is_none() && !parsed.frames.is_empty() {
        let message = texts.lines.as_deref().unwrap_or(&texts.message);
        let whole = stack::parse_frames(&[message, "\n", text].concat());
        if whole.frames == parsed.frames {
            parsed = whole;
        }
    }
    parsed
}

/// Frames come out of a clean stack, but their texts are bounded like any field.
fn clean_frames(mut frames: Vec<Frame>, notes: &mut Notes) -> Vec<Frame> {
    for frame in &mut frames {
        frame.function = notes.field(frame.function.take());
        frame.file = notes.field(frame.file.take());
    }
    frames
}

/// The class that was thrown, under its name in the OpenTelemetry conventions, unless it was sent.
fn keep_exception_type(found: Option<String>, attributes: &mut Fields) {
    const NAME: &str = "exception.type";
    if let Some(name) = found
        && field(attributes, NAME).is_none()
    {
        attributes.push((NAME.to_string(), Value::Text(name)));
    }
}

/// Values that were no good as fields become attributes, ahead of the others so that no limit drops them. One that
/// was sent as an attribute, too, stays as sent.
fn keep_aside(aside: Fields, attributes: &mut Fields) {
    if aside.is_empty() {
        return;
    }
    let mut kept: Fields = aside.into_iter().filter(|(name, _)| field(attributes, name).is_none()).collect();
    kept.append(attributes);
    *attributes = kept;
}

/// The priority as sent, 1 to 5; 0 if there is none that can be used.
fn read_priority(sent: Option<i64>, notes: &mut Notes) -> u8 {
    match sent {
        None => 0,
        Some(priority @ 1..=5) => priority as u8,
        Some(other) => {
            notes.ignore("priority", Value::Int(other));
            0
        }
    }
}

/// By level, or by triage where that is more urgent.
fn derived_priority(level: Level, triage: TriageLevel) -> u8 {
    let by_level = match level.class() {
        LevelClass::Fatal => 1,
        LevelClass::Error => 2,
        LevelClass::Warn => 3,
        LevelClass::Info => 4,
        LevelClass::Debug | LevelClass::Trace => 5,
    };
    let by_triage = match triage {
        TriageLevel::Critical => 1,
        TriageLevel::High => 2,
        TriageLevel::Medium | TriageLevel::Low => 5,
    };
    by_level.min(by_triage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_urls() {
        for (url, expected) in [
            ("https://shop.example/users/1?x=2", Some("/users/1")),
            ("https://shop.example/a#b", Some("/a")),
            ("/users/1?x", Some("/users/1")),
            ("https://shop.example", None),
            ("https://shop.example?x=/y", None),
            ("users", None),
        ] {
            assert_eq!(path_of(url), expected, "{url}");
        }
    }

    #[test]
    fn confidence_grows_with_what_is_known() {
        let all: Vec<u8> = (0..=7).map(confidence).collect();
        assert_eq!(all, [0, 20, 40, 60, 90, 100, 100, 100]);
    }

    #[test]
    fn the_more_urgent_of_level_and_triage_wins() {
        for (level, triage, expected) in [
            (Level::FATAL, TriageLevel::Low, 1),
            (Level::ERROR, TriageLevel::Critical, 1),
            (Level::ERROR, TriageLevel::Medium, 2),
            (Level::WARN, TriageLevel::Medium, 3),
            (Level::WARN, TriageLevel::High, 2),
            (Level::INFO, TriageLevel::Low, 4),
            (Level::DEBUG, TriageLevel::Low, 5),
        ] {
            assert_eq!(derived_priority(level, triage), expected);
        }
    }
}
