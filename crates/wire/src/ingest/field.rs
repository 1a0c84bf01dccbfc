//! The names under which a record's fields may be sent.
//!
//! `camelCase`, `snake_case` and any other mixture of case and inner underscores are folded into one spelling before
//! the look-up, so that both spellings of a field cannot come to mean different things. Different *words* for one
//! field (`level`, `severity`, `lvl`) are listed in order of precedence.

/// Bytes of the longest folded name, `messagetemplate`, and one to make the look-up a single number.
const NAME_BYTES_MAX: usize = 16;

/// A folded name as one number, so that looking it up is a search among numbers. Zero bytes fill it up; a key that
/// holds such a byte itself could only pass for a name if it ended in it, which [`known_field`] excludes by length.
const fn number_of(name: &str) -> u128 {
    let mut bytes = [0; NAME_BYTES_MAX];
    let name = name.as_bytes();
    let (mut from, mut to) = (0, 0);
    while from < name.len() {
        if name[from] != b'_' {
            bytes[to] = name[from];
            to += 1;
        }
        from += 1;
    }
    u128::from_le_bytes(bytes)
}

macro_rules! fields {
    ($($field:ident: $($rank:literal = $constant:ident $word:literal),+;)*) => {
        /// A field of a record that has a place of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Field { $($field,)* }

        impl Field {
            /// How many there are.
            pub(super) const COUNT: usize = [$(Self::$field,)*].len();
        }

        $($(const $constant: u128 = number_of($word);)+)*

        fn look_up(number: u128) -> Option<Known> {
            let (field, rank) = match number {
                $($($constant => (Field::$field, $rank),)+)*
                _ => return None,
            };
            Some(Known { field, rank })
        }

        /// The word under which a value is kept as an attribute when another word for the same field took precedence,
        /// and the name shown in errors.
        pub(super) fn word(known: Known) -> &'static str {
            match known.field {
                $(Field::$field => [$($word),+].get(usize::from(known.rank)).copied().unwrap_or_default(),)*
            }
        }

        #[cfg(test)]
        const WORDS: &[&str] = &[$($($word),+),*];
    };
}

fields! {
    Id: 0 = ID "id";
    Timestamp: 0 = TIMESTAMP "timestamp", 1 = AT_TIMESTAMP "@timestamp", 2 = TIME "time", 3 = TS "ts", 4 = DATE "date", 5 = AT_T "@t";
    Level: 0 = LEVEL "level", 1 = SEVERITY "severity", 2 = LVL "lvl", 3 = AT_L "@l";
    Message: 0 = MESSAGE "message", 1 = MSG "msg", 2 = AT_M "@m";
    Component: 0 = COMPONENT "component";
    Service: 0 = SERVICE "service";
    Environment: 0 = ENVIRONMENT "environment", 1 = ENV "env";
    Source: 0 = SOURCE "source";
    ErrorType: 0 = ERROR_TYPE "error_type";
    ErrorCode: 0 = ERROR_CODE "error_code";
    Endpoint: 0 = ENDPOINT "endpoint";
    Category: 0 = CATEGORY "category";
    Priority: 0 = PRIORITY "priority";
    UserId: 0 = USER_ID "user_id";
    SessionId: 0 = SESSION_ID "session_id";
    RequestId: 0 = REQUEST_ID "request_id";
    TraceId: 0 = TRACE_ID "trace_id";
    SpanId: 0 = SPAN_ID "span_id";
    Release: 0 = RELEASE "release", 1 = VERSION "version";
    StackTrace: 0 = STACK_TRACE "stack_trace", 1 = STACK "stack", 2 = AT_X "@x";
    Ip: 0 = IP_ADDRESS "ip_address", 1 = IP "ip";
    UserAgent: 0 = USER_AGENT "user_agent";
    Duration: 0 = DURATION "duration", 1 = DURATION_MS "duration_ms";
    MemoryUsage: 0 = MEMORY_USAGE "memory_usage";
    Feature: 0 = FEATURE "feature";
    Workflow: 0 = WORKFLOW "workflow";
    Tags: 0 = TAGS "tags";
    MessageTemplate: 0 = MESSAGE_TEMPLATE "message_template", 1 = AT_MT "@mt";
    Attributes: 0 = ATTRIBUTES "attributes";
    Metadata: 0 = METADATA "metadata";
    Context: 0 = CONTEXT "context";
}

/// A name that was understood: the field, and which of its words it was (0 takes precedence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) field: Field,
    pub(super) rank: u8,
}

/// The field that `key` names. A leading underscore makes a name private to its sender (`_id`, GELF's `_foo`).
pub(super) fn known_field(key: &str) -> Option<Known> {
    let bytes = key.as_bytes();
    let mut folded = [0u8; NAME_BYTES_MAX];
    folded.get_mut(..bytes.len())?.copy_from_slice(bytes);
    if matches!(bytes, [b'_' | 0, ..] | [.., 0]) {
        return None;
    }
    folded.make_ascii_lowercase();
    if folded.contains(&b'_') {
        let mut compact = [0u8; NAME_BYTES_MAX];
        for (slot, byte) in compact.iter_mut().zip(folded.iter().filter(|byte| **byte != b'_')) {
            *slot = *byte;
        }
        folded = compact;
    }
    look_up(u128::from_le_bytes(folded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_field() {
        let mut seen = [false; Field::COUNT];
        for name in WORDS {
            let known = known_field(name).unwrap_or_else(|| panic!("{name} is known"));
            assert_eq!(word(known), *name);
            seen[known.field as usize] = true;
        }
        assert!(seen.iter().all(|was| *was), "every field has a name");
    }

    #[test]
    fn case_and_underscores_do_not_matter() {
        for (one, other) in [
            ("userId", "user_id"),
            ("errorType", "error_type"),
            ("stackTrace", "stack_trace"),
            ("durationMs", "duration_ms"),
            ("messageTemplate", "message_template"),
            ("Level", "level"),
            ("MessageTemplate", "MESSAGE_TEMPLATE"),
        ] {
            assert_eq!(known_field(one), known_field(other));
            assert!(known_field(one).is_some(), "{one}");
        }
    }

    #[test]
    fn other_keys_are_attributes() {
        for key in [
            "",
            "_",
            "_id",
            "__id",
            "user",
            "user-id",
            "log.level",
            "@version",
            "messagetemplates",
            "é",
            "idé",
            "id\0",
            "\0id",
            "id_\0",
        ] {
            assert_eq!(known_field(key), None, "{key}");
        }
        assert_eq!(known_field(&"message".repeat(10)), None);
    }
}
