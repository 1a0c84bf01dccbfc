//! How each kind of service writes a line: where the time stands, how a level is spelt, what surrounds the message.

use crate::fill::{fill, value};
use crate::random::Random;
use crate::services::{Severity, Statement};
use chrono::{DateTime, Utc};

/// The layouts. Each is that of a widespread kind of software, not of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Combined access log of a web server.
    Access,
    /// `2026-11-20 10:00:00,123 INFO  [exec-7] s.c.Cart - message`, with stack traces of a virtual machine.
    Application,
    /// RFC 3164, without a year, as a system daemon writes it.
    Syslog,
    /// `[2026-11-20 10:00:00,123: WARNING/Worker-3] jobs.mail: message`, with tracebacks.
    Worker,
    /// One JSON object a line.
    Json,
    /// `time=... level=info msg="..."`.
    KeyValue,
}

impl Layout {
    /// `statement` with its holes filled, as a service of this layout writes it at `at_ms`. Lines of a stack trace
    /// follow behind line feeds. `origin` is the logger, program or module that the statement names.
    pub fn write(self, at_ms: i64, statement: &Statement, random: &mut Random) -> String {
        let at = DateTime::<Utc>::from_timestamp_millis(at_ms).unwrap_or_default();
        let message = fill(statement.text, random);
        let mut line = match self {
            Self::Access => access(&at, &message, random),
            Self::Application => format!(
                "{} {:<5} [exec-{}] {} - {message}",
                at.format("%Y-%m-%d %H:%M:%S,%3f"),
                statement.severity.word().to_uppercase(),
                random.between(1, 16),
                statement.origin,
            ),
            Self::Syslog => format!(
                "{} {} {}[{}]: {message}",
                at.format("%b %e %H:%M:%S"),
                value("host", random),
                statement.origin,
                value("pid", random),
            ),
            Self::Worker => format!(
                "[{}: {}/Worker-{}] {}: {message}",
                at.format("%Y-%m-%d %H:%M:%S,%3f"),
                statement.severity.python_word(),
                random.between(1, 4),
                statement.origin,
            ),
            Self::Json => json(&at, &message, statement, random),
            Self::KeyValue => format!(
                "time={} level={} caller={} msg={} trace={}",
                at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
                statement.severity.word(),
                statement.origin,
                serde_json::Value::from(message),
                value("hex", random),
            ),
        };
        for frame in statement.stack {
            line.push('\n');
            line.push_str(&fill(frame, random));
        }
        line
    }
}

/// The statement of an access log is `METHOD path status`.
fn access(at: &DateTime<Utc>, message: &str, random: &mut Random) -> String {
    let (request, status) = message.rsplit_once(' ').unwrap_or((message, "200"));
    let user = if random.permille(300) { value("name", random) } else { "-".to_owned() };
    let address = value("ip", random);
    let bytes = value("bytes", random);
    let agent = value("agent", random);
    format!(
        "{address} - {user} [{}] \"{request} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\"",
        at.format("%d/%b/%Y:%H:%M:%S +0000")
    )
}

/// Written by hand: the order of members must not depend on how the JSON library was built.
fn json(at: &DateTime<Utc>, message: &str, statement: &Statement, random: &mut Random) -> String {
    let mut line = format!(
        r#"{{"ts":"{}","level":"{}","logger":"{}","msg":{},"request_id":"{}","region":"{}""#,
        at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
        statement.severity.word(),
        statement.origin,
        serde_json::Value::from(message),
        value("uuid", random),
        value("region", random),
    );
    if statement.severity == Severity::Error {
        line.push_str(if random.permille(500) { r#","retryable":true"# } else { r#","retryable":false"# });
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: Layout, text: &'static str, expected: &[&str]) {
        let statement = Statement { severity: Severity::Error, origin: "orders", text, stack: &["  at frame {count}"] };
        let line = layout.write(1_763_632_800_123, &statement, &mut Random::new(5));
        for part in expected {
            assert!(line.contains(part), "{layout:?}: {line:?} lacks {part:?}");
        }
        assert_eq!(line.lines().count(), 2, "{line}");
    }

    #[test]
    fn every_layout_shows_time_message_and_stack() {
        check(Layout::Access, "GET /a 500", &["[20/Nov/2025:10:00:00 +0000] \"GET /a HTTP/1.1\" 500 "]);
        check(Layout::Application, "boom", &["2025-11-20 10:00:00,123 ERROR [exec-", "] orders - boom\n"]);
        check(Layout::Syslog, "boom", &["Nov 20 10:00:00 ", " orders[", "]: boom"]);
        check(Layout::Worker, "boom", &["[2025-11-20 10:00:00,123: ERROR/Worker-", "] orders: boom"]);
        check(Layout::Json, "a \"b\"", &[r#""ts":"2025-11-20T10:00:00.123Z""#, r#""msg":"a \"b\"""#, "retryable"]);
        check(Layout::KeyValue, "a \"b\"", &["time=2025-11-20T10:00:00.123Z level=error", r#"msg="a \"b\"""#]);
    }

    #[test]
    fn a_time_that_no_calendar_has_is_still_a_line() {
        let statement = Statement { severity: Severity::Info, origin: "o", text: "m", stack: &[] };
        assert!(Layout::Syslog.write(i64::MAX, &statement, &mut Random::new(1)).contains("Jan  1"));
    }
}
