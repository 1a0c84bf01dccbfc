//! What the keys of pairs and objects usually mean.

use crate::level::Level;
use crate::parse::header::ParsedLine;
use crate::parse::{syslog, timestamp, word};
use crate::time::Timestamp;
use std::borrow::Cow;

/// The part of a record that a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Time,
    Level,
    Message,
    Host,
    Process,
    Pid,
    Thread,
    Logger,
    Client,
    Method,
    Path,
    Status,
    Bytes,
    Duration,
}

const ROLES: [(Role, &[&str]); 14] = [
    (
        Role::Time,
        &[
            "time",
            "timestamp",
            "ts",
            "@timestamp",
            "t",
            "@t",
            "datetime",
            "date",
            "asctime",
            "eventtime",
            "event_time",
            "__realtime_timestamp",
            "timeunixnano",
        ],
    ),
    (
        Role::Level,
        &[
            "level",
            "lvl",
            "severity",
            "loglevel",
            "log_level",
            "log.level",
            "levelname",
            "level_name",
            "@l",
            "priority",
            "severitytext",
            "severity_text",
            "severitynumber",
            "severity_number",
            "s",
        ],
    ),
    (Role::Message, &["message", "msg", "@m", "@mt", "log", "text", "body", "short_message", "textpayload", "event"]),
    (Role::Host, &["host", "hostname", "_hostname", "host.name"]),
    (Role::Process, &["process", "app", "program", "syslog_identifier", "process.name", "service"]),
    (Role::Pid, &["pid", "_pid", "process_id", "process.pid"]),
    (Role::Thread, &["thread", "tid", "thread_name", "threadname", "thread.name", "ctx"]),
    (Role::Logger, &["logger", "logger_name", "loggername", "target", "module", "name", "log.logger", "caller"]),
    (Role::Client, &["ip", "client", "client_ip", "clientip", "remote_addr", "remote_ip", "rhost", "client.ip"]),
    (Role::Method, &["method", "http_method", "request_method", "http.request.method", "http.method"]),
    (Role::Path, &["path", "uri", "url", "request_uri", "url.path", "http.target"]),
    (Role::Status, &["status", "status_code", "statuscode", "http.response.status_code", "http.status_code"]),
    (Role::Bytes, &["bytes", "size", "bytes_sent", "body_bytes_sent"]),
    (
        Role::Duration,
        &[
            "duration",
            "duration_ms",
            "elapsed",
            "elapsed_ms",
            "latency",
            "latency_ms",
            "took",
            "took_ms",
            "responsetime",
        ],
    ),
];

/// The role of a key, in any case.
pub(crate) fn role(key: &str) -> Option<Role> {
    ROLES.iter().find(|(_, keys)| keys.iter().any(|known| known.eq_ignore_ascii_case(key))).map(|(role, _)| *role)
}

/// Puts the value of a key where it belongs, and keeps it as a field unless it became the time or the level. The first
/// value of a role counts; the message is the caller's business.
pub(crate) fn apply<'a>(parsed: &mut ParsedLine<'a>, key: &'a str, value: Cow<'a, str>, reference: Timestamp) {
    let role = role(key);
    match role {
        Some(Role::Time) if parsed.timestamp.is_none() => {
            parsed.timestamp = timestamp::read(&value, reference);
            if parsed.timestamp.is_some() {
                return;
            }
        }
        Some(Role::Level) if parsed.level.is_none() => {
            parsed.level = level(key, &value);
            if parsed.level.is_some() {
                return;
            }
        }
        _ => {}
    }
    if let Cow::Borrowed(text) = value
        && let Some(role) = role.filter(|_| !text.is_empty() && text != "-")
    {
        place(parsed, role, key, text);
    }
    parsed.push_field(key, value);
}

/// The parts that a line has once.
fn place<'a>(parsed: &mut ParsedLine<'a>, role: Role, key: &str, text: &'a str) {
    let slot = match role {
        Role::Host => &mut parsed.host,
        Role::Process => &mut parsed.process,
        Role::Pid => &mut parsed.pid,
        Role::Thread => &mut parsed.thread,
        Role::Logger => &mut parsed.logger,
        Role::Method if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => &mut parsed.method,
        Role::Path if text.contains('/') => &mut parsed.path,
        Role::Client => {
            parsed.client_ip = parsed.client_ip.or_else(|| word::address(text));
            return;
        }
        Role::Status => {
            parsed.status = parsed.status.or_else(|| text.parse().ok().filter(|code| (100..=599).contains(code)));
            return;
        }
        Role::Bytes => {
            parsed.bytes = parsed.bytes.or_else(|| text.parse().ok());
            return;
        }
        Role::Duration => {
            let unit = if key.len() > 3 && key.to_ascii_lowercase().ends_with("_ms") { "ms" } else { "" };
            parsed.duration_ms = parsed.duration_ms.or_else(|| duration_ms(text, unit));
            return;
        }
        _ => return,
    };
    *slot = slot.or(Some(text));
}

/// The level that a member names: a word, or a number in the scale that its key and size tell (syslog below 8, tens as
/// JavaScript loggers have them, otherwise OpenTelemetry).
pub(crate) fn level(key: &str, value: &str) -> Option<Level> {
    let value = value.trim();
    if let Ok(number) = value.parse::<u16>() {
        let is_otel = key.to_ascii_lowercase().replace('_', "").ends_with("severitynumber");
        return match number {
            _ if is_otel => Level::from_number(u8::try_from(number).ok()?),
            0..=7 => Some(syslog::severity(number)),
            10 => Some(Level::TRACE),
            20 => Some(Level::DEBUG),
            30 => Some(Level::INFO),
            40 => Some(Level::WARN),
            50 => Some(Level::ERROR),
            60 => Some(Level::FATAL),
            _ => Level::from_number(u8::try_from(number).ok()?),
        };
    }
    match value.as_bytes() {
        [letter] => word::level_letter(letter.to_ascii_uppercase()),
        _ => word::level_word(value).map(|found| found.level).or_else(|| Level::from_word(value)),
    }
}

/// Milliseconds in `12ms`, `1.5s`, `300us`, `2m`; `unit` is what a bare number counts, and without one it says nothing.
pub(crate) fn duration_ms(text: &str, unit: &str) -> Option<f64> {
    let digits = text.bytes().take(20).take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let number: f64 = text.get(..digits)?.parse().ok()?;
    let stated = text.get(digits..)?.trim_end_matches([',', ';', ')', '.']);
    let milliseconds = match if stated.is_empty() { unit } else { stated } {
        "ns" => number / 1_000_000.0,
        "us" | "µs" | "μs" => number / 1_000.0,
        "ms" | "msec" | "millis" | "milliseconds" => number,
        "s" | "sec" | "secs" | "second" | "seconds" => number * 1_000.0,
        "m" | "min" => number * 60_000.0,
        _ => return None,
    };
    milliseconds.is_finite().then_some(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_levels_in_the_scale_of_their_key() {
        for (key, value, expected) in [
            ("level", "30", Some(Level::INFO)),
            ("level", "50", Some(Level::ERROR)),
            ("level", "3", Some(Level::ERROR)),
            ("PRIORITY", "6", Some(Level::INFO)),
            ("severity_number", "17", Some(Level::ERROR)),
            ("severityNumber", "5", Some(Level::DEBUG)),
            ("level", "17", Some(Level::ERROR)),
            ("level", "99", None),
            ("level", "900", None),
            ("s", "I", Some(Level::INFO)),
            ("level", "Warning", Some(Level::WARN)),
            ("level", "loud", None),
        ] {
            assert_eq!(level(key, value), expected, "{key}={value}");
        }
    }

    #[test]
    fn a_duration_needs_a_unit() {
        for (text, unit, expected) in [
            ("12ms", "", Some(12.0)),
            ("1.5s", "", Some(1500.0)),
            ("300µs", "", Some(0.3)),
            ("250", "ms", Some(250.0)),
            ("250", "", None),
            ("2m,", "", Some(120_000.0)),
            ("5000000ns", "", Some(5.0)),
            ("12 parsecs", "", None),
            (".", "ms", None),
        ] {
            assert_eq!(duration_ms(text, unit), expected, "{text}");
        }
    }
}
