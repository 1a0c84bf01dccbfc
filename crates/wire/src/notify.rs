//! What goes to people's own systems: an alert as a Standard Webhooks payload and as a Slack message, the bytes that
//! are signed, and what a target's answer means.
//!
//! Everything in an alert that comes out of a log is hostile: it may be long, hold markup, or try to ring everybody.
//! Invariants: a webhook body stays below `limits::WEBHOOK_BODY_BYTES_MAX` bytes and a Slack message within every
//! limit of Block Kit, whatever the alert says; log text never becomes markup, a link or a mention.
//!
//! Left out: the HMAC itself and the clock (the shell has both), and when to retry (the outbox's schedule).

use crate::limits::{SLACK_MESSAGE_CHARS_MAX, WEBHOOK_BODY_BYTES_MAX};
use crate::moment::{Iso, parse_http_date};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Why an alert was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A pattern that was never seen before.
    NewPattern,
    /// Many more lines than expected.
    Burst,
    /// Far fewer.
    Drop,
    /// None at all.
    Silence,
    /// A regular job did not report.
    Missed,
    /// The rate moved and stayed.
    LevelShift,
    /// A larger share of errors.
    ErrorRatio,
    /// A larger share of slow records.
    LatencyShift,
    /// A level heads for its limit.
    Trend,
    /// A variable's values are distributed otherwise.
    ValueDrift,
    /// A variable has a value it never had.
    NewValue,
    /// A pattern came with what it never came with.
    RareCombination,
}

impl AlertKind {
    /// In words, for a heading.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NewPattern => "New error pattern",
            Self::Burst => "Burst",
            Self::Drop => "Drop",
            Self::Silence => "Silence",
            Self::Missed => "Missed job",
            Self::LevelShift => "New level",
            Self::ErrorRatio => "More errors",
            Self::LatencyShift => "Slower",
            Self::Trend => "Reaches its limit",
            Self::ValueDrift => "Other values",
            Self::NewValue => "New value",
            Self::RareCombination => "Rare combination",
        }
    }
}

/// One line as an example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// Under which it can be read.
    pub id: String,
    /// Event time, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Level as a word.
    pub level: String,
    /// The message, redacted.
    pub message: String,
}

/// Where to go from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertLink {
    /// What is there, in a word or two.
    pub label: String,
    /// Absolute `http` or `https` URL; others are not sent to Slack.
    pub url: String,
}

/// All that an alert says: what was expected and what was seen, since when, with examples. Kept in the outbox as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertView {
    /// The incident that the alert is about; the same on every message about it.
    pub incident_id: String,
    /// Why it was raised.
    pub kind: AlertKind,
    /// Domain.
    pub domain: String,
    /// Component's address.
    pub component: String,
    /// Environment.
    pub environment: String,
    /// Level as a word.
    pub level: String,
    /// One line that says it all.
    pub title: String,
    /// The pattern, where the alert is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern_id: Option<String>,
    /// Its template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern_template: Option<String>,
    /// How many were expected in the window; absent for what was never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Fewer are remarkable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_low: Option<f64>,
    /// More are remarkable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_high: Option<f64>,
    /// How likely this would be if nothing had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Which series: `total`, `errors`, `latency`, `pattern:<id>`; what its baseline is asked by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// How many were seen in the window.
    pub seen: u64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// First and last time of the incident, in milliseconds since the epoch.
    pub first_seen_ms: i64,
    /// See `first_seen_ms`.
    pub last_seen_ms: i64,
    /// How many since the incident began.
    pub count: u64,
    /// Examples, most telling first.
    #[serde(default)]
    pub exemplars: Vec<Exemplar>,
    /// The release in which it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The release that its pattern came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_in_release: Option<String>,
    /// Where to go from here.
    #[serde(default)]
    pub links: Vec<AlertLink>,
}

// ---- Standard Webhooks ------------------------------------------------------------------------------------------------

/// Bytes, as JSON, of the longest text of each part of a webhook. All of them together, with
/// [`WEBHOOK_NAME_BYTES`] for thirteen short ones, three links and the keys, stay below 14,000.
const WEBHOOK_TITLE_BYTES: usize = 600;
const WEBHOOK_TEMPLATE_BYTES: usize = 2_000;
const WEBHOOK_NAME_BYTES: usize = 300;
const WEBHOOK_URL_BYTES: usize = 2_000;
const WEBHOOK_MESSAGE_BYTES: usize = 1_500;
const LINKS_MAX: usize = 3;
const _: () = assert!(
    WEBHOOK_TITLE_BYTES
        + WEBHOOK_TEMPLATE_BYTES
        + 13 * WEBHOOK_NAME_BYTES
        + LINKS_MAX * (WEBHOOK_URL_BYTES + WEBHOOK_NAME_BYTES + 40)
        + 1_000
        < WEBHOOK_BODY_BYTES_MAX,
    "an alert without examples always fits"
);

/// The body of a webhook: `{"type":"alert.opened","timestamp":...,"data":{...}}`. `timestamp_ms` is when the alert was
/// raised, not when it is sent, so that the body is the same on every attempt. Examples are dropped from the end, and
/// `exemplars_omitted` says how many, where all of them would not fit.
pub fn webhook_payload(alert: &AlertView, timestamp_ms: i64) -> Vec<u8> {
    let name = |text: &str| cut_json(text, WEBHOOK_NAME_BYTES);
    let links: Vec<Value> = alert
        .links
        .iter()
        .filter(|link| json_bytes(&link.url) <= WEBHOOK_URL_BYTES)
        .take(LINKS_MAX)
        .map(|link| json!({"label": name(&link.label), "url": link.url}))
        .collect();
    let mut exemplars: Vec<Value> = alert
        .exemplars
        .iter()
        .map(|line| {
            json!({"id": name(&line.id), "time": Iso(line.timestamp_ms), "level": name(&line.level),
                   "message": cut_json(&line.message, WEBHOOK_MESSAGE_BYTES)})
        })
        .take(WEBHOOK_BODY_BYTES_MAX / 100)
        .collect();
    loop {
        let data = WebhookData { alert, name: &name, links: &links, exemplars: &exemplars };
        let body = serde_json::to_vec(&json!({
            "type": "alert.opened", "timestamp": Iso(timestamp_ms), "data": data.to_value()
        }))
        .unwrap_or_default();
        if body.len() < WEBHOOK_BODY_BYTES_MAX || exemplars.is_empty() {
            return body;
        }
        // Halving keeps this at a handful of rounds; the examples are in order of how telling they are.
        exemplars.truncate(exemplars.len() / 2);
    }
}

/// The parts of a webhook's `data`.
struct WebhookData<'a> {
    alert: &'a AlertView,
    name: &'a dyn Fn(&str) -> String,
    links: &'a [Value],
    exemplars: &'a [Value],
}

impl WebhookData<'_> {
    fn to_value(&self) -> Value {
        let (alert, name) = (self.alert, self.name);
        let incident = name(&alert.incident_id);
        let mut data = json!({
            "incident_id": incident,
            "kind": alert.kind,
            "domain": name(&alert.domain),
            "component": name(&alert.component),
            "environment": name(&alert.environment),
            "level": name(&alert.level),
            "title": cut_json(&alert.title, WEBHOOK_TITLE_BYTES),
            "expected": alert.expected,
            "seen": alert.seen,
            "window_ms": alert.window_ms,
            "count": alert.count,
            "first_seen": Iso(alert.first_seen_ms),
            "last_seen": Iso(alert.last_seen_ms),
            "exemplars": self.exemplars,
            "exemplars_omitted": alert.exemplars.len().saturating_sub(self.exemplars.len()),
            "links": self.links,
            // How to say what it was: where to post it, and the command that does.
            "feedback": json!({
                "path": format!("/api/incidents/{incident}/feedback"),
                "command": format!("sapwood feedback {incident} noise"),
            }),
        });
        if let Value::Object(data) = &mut data {
            let mut put = |key: &str, value: Option<String>| {
                value.map(|value| data.insert(key.to_owned(), Value::String(value)));
            };
            put("pattern_id", alert.pattern_id.as_deref().map(name));
            put("pattern", alert.pattern_template.as_deref().map(|text| cut_json(text, WEBHOOK_TEMPLATE_BYTES)));
            put("series", alert.series.as_deref().map(name));
            put("release", alert.release.as_deref().map(name));
            put("new_in_release", alert.new_in_release.as_deref().map(name));
            for (key, number) in [
                ("expected_low", alert.expected_low),
                ("expected_high", alert.expected_high),
                ("probability", alert.probability),
            ] {
                number.map(|number| data.insert(key.to_owned(), json!(number)));
            }
        }
        data
    }
}

/// The bytes that a Standard Webhooks signature covers: `id.timestamp.body`. `id` is the message's, the same on every
/// attempt and without a dot; `timestamp` is the attempt's, in seconds since the epoch.
pub fn signing_input(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    let mut input = format!("{id}.{timestamp}.").into_bytes();
    input.extend_from_slice(body);
    input
}

/// Bytes that `text` takes inside a JSON string.
fn json_bytes(text: &str) -> usize {
    text.chars().map(json_char_bytes).sum()
}

fn json_char_bytes(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        control if control < ' ' => 6,
        other => other.len_utf8(),
    }
}

/// The longest beginning of `text` that takes at most `bytes_max` bytes inside a JSON string, with `…` if it was cut.
fn cut_json(text: &str, bytes_max: usize) -> String {
    cut_by(text, bytes_max, json_char_bytes)
}

fn cut_by(text: &str, size_max: usize, size_of: impl Fn(char) -> usize) -> String {
    let mut size = 0;
    // The last place at which the text and an ellipsis fit.
    let mut fits_until = 0;
    for (at, letter) in text.char_indices() {
        if size + size_of('…') <= size_max {
            fits_until = at;
        }
        size += size_of(letter);
        if size > size_max {
            return text.get(..fits_until).unwrap_or_default().to_owned() + "…";
        }
    }
    text.to_owned()
}

// ---- Slack ------------------------------------------------------------------------------------------------------------

/// Block Kit's own limits, in characters.
const SLACK_HEADER_CHARS: usize = 150;
const SLACK_SECTION_CHARS: usize = 3_000;
const SLACK_FIELD_CHARS: usize = 2_000;
const SLACK_BUTTON_CHARS: usize = 75;
const SLACK_URL_CHARS: usize = 3_000;
/// Ours: how much of each text is worth reading in a channel.
const SLACK_TEXT_CHARS: usize = 300;
const SLACK_NAME_CHARS: usize = 80;
const SLACK_TEMPLATE_CHARS: usize = 1_200;
const SLACK_EXEMPLARS: usize = 5;
const SLACK_EXEMPLAR_CHARS: usize = 400;
const SLACK_LINK_URL_CHARS: usize = 500;
const _: () = assert!(
    // Text, heading, summary of five names, template, examples with time and level, two lines of context, links.
    SLACK_TEXT_CHARS
        + SLACK_HEADER_CHARS
        + 5 * SLACK_NAME_CHARS
        + SLACK_TEMPLATE_CHARS
        + SLACK_EXEMPLARS * (SLACK_EXEMPLAR_CHARS + 30 + SLACK_NAME_CHARS)
        + 7 * 100
        + 3 * SLACK_NAME_CHARS
        + LINKS_MAX * (SLACK_LINK_URL_CHARS + SLACK_BUTTON_CHARS)
        + 1_500
        < SLACK_MESSAGE_CHARS_MAX,
    "a message stays under the undocumented total, its JSON included"
);
const _: () = assert!(SLACK_TEMPLATE_CHARS + 8 <= SLACK_SECTION_CHARS && SLACK_LINK_URL_CHARS <= SLACK_URL_CHARS);
const _: () = assert!(SLACK_EXEMPLARS * (SLACK_EXEMPLAR_CHARS + 30 + SLACK_NAME_CHARS) + 8 <= SLACK_SECTION_CHARS);
const _: () = assert!(100 <= SLACK_FIELD_CHARS);

/// A message for a Slack incoming webhook.
pub fn slack_message(alert: &AlertView) -> Vec<u8> {
    let name = |text: &str| slack_text(text, SLACK_NAME_CHARS);
    let heading = format!("{} in {}", alert.kind.words(), alert.component);
    let seen = format!("{} in {}", alert.seen, span_words(alert.window_ms));
    let summary =
        slack_text(&format!("[{}] {}: {} ({seen})", alert.environment, alert.component, alert.title), SLACK_TEXT_CHARS);
    let mut place = format!(
        "*{}* in {} ({}), {}",
        name(&alert.component),
        name(&alert.domain),
        name(&alert.environment),
        name(&alert.level)
    );
    if let Some(release) = &alert.release {
        place = format!("{place}, release {}", name(release));
    }
    let field = |label: &str, value: String| json!({"type": "mrkdwn", "text": format!("*{label}*\n{value}")});
    let expected = match (alert.expected, alert.expected_low, alert.expected_high) {
        (Some(count), Some(low), Some(high)) if low < high => format!("{count:.1} ({low:.1} to {high:.1})"),
        (Some(count), ..) => format!("{count:.1}"),
        (None, ..) => "never before".to_owned(),
    };
    let chance = alert.probability.map(|chance| field("By chance", probability_words(chance)));
    let mut fields = vec![
        field("Seen", seen),
        field("Expected", slack_text(&expected, SLACK_NAME_CHARS)),
        field("Since it began", alert.count.to_string()),
        field("First seen", Iso(alert.first_seen_ms).to_string()),
        field("Last seen", Iso(alert.last_seen_ms).to_string()),
    ];
    fields.extend(chance);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": slack_text(&heading, SLACK_HEADER_CHARS), "emoji": false}}),
        json!({"type": "section", "text": {"type": "mrkdwn", "text": place}, "fields": fields}),
    ];
    if let Some(template) = &alert.pattern_template {
        blocks.push(code_block(&slack_text(template, SLACK_TEMPLATE_CHARS)));
    }
    let lines: Vec<String> = alert
        .exemplars
        .iter()
        .take(SLACK_EXEMPLARS)
        .map(|line| {
            format!(
                "{} {} {}",
                Iso(line.timestamp_ms),
                name(&line.level),
                slack_text(&line.message, SLACK_EXEMPLAR_CHARS)
            )
        })
        .collect();
    if !lines.is_empty() {
        blocks.push(code_block(&lines.join("\n")));
    }
    let mut context = format!("incident {}", name(&alert.incident_id));
    if let Some(pattern_id) = &alert.pattern_id {
        context = format!("{context}, pattern {}", name(pattern_id));
    }
    if is_plain_id(&alert.incident_id) {
        context = format!("{context}\nNot worth telling? sapwood feedback {} noise", alert.incident_id);
    }
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]}));
    let buttons: Vec<Value> =
        alert.links.iter().filter(|link| is_web_link(&link.url)).take(LINKS_MAX).map(link_button).collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    let message = json!({"text": summary, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
    serde_json::to_vec(&message).unwrap_or_default()
}

/// Whether this can be copied as it stands: an id of ours is. An underscore within a word is no markup.
fn is_plain_id(id: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let has_ends = !id.starts_with('_') && !id.ends_with('_');
    (1..=SLACK_NAME_CHARS).contains(&id.len()) && has_ends && id.bytes().all(is_letter)
}

fn code_block(escaped: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": format!("```{escaped}```")}})
}

fn link_button(link: &AlertLink) -> Value {
    let label = slack_text(if link.label.trim().is_empty() { "Open" } else { &link.label }, SLACK_BUTTON_CHARS);
    json!({"type": "button", "text": {"type": "plain_text", "text": label, "emoji": false}, "url": link.url})
}

fn is_web_link(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() <= SLACK_LINK_URL_CHARS
        && url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'|'))
}

/// Log text as it may stand in a Slack message, in at most `chars_max` characters as counted there (escapes and JSON
/// escapes included): `&`, `<` and `>` escaped, which also disarms `<!channel>` and links; backticks and the marks of
/// bold, italic and strike replaced, so that nothing leaves its block; `@channel` and its like broken up; line breaks
/// and control characters as spaces.
fn slack_text(text: &str, chars_max: usize) -> String {
    // `@` grows by an invisible character only where a word follows that rings people.
    let calm = ["@channel", "@here", "@everyone"].iter().fold(text.to_owned(), |calm, ring| {
        if calm.contains(ring) { calm.replace(ring, &ring.replace('@', "@\u{200B}")) } else { calm }
    });
    let size = |letter: char| match letter {
        '&' => 5,
        '<' | '>' => 4,
        '"' | '\\' => 2,
        // Slack counts UTF-16 units.
        other => other.len_utf16(),
    };
    let cut = cut_by(&calm, chars_max, size);
    let mut out = String::with_capacity(cut.len());
    for letter in cut.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' => out.push('\''),
            '*' => out.push('∗'),
            '_' => out.push('＿'),
            '~' => out.push('∼'),
            control
                if control.is_control()
                    || matches!(control, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') =>
            {
                out.push(' ');
            }
            plain => out.push(plain),
        }
    }
    out
}

/// A probability for people: two digits that say something, `0.03`, `0.00042`.
pub fn probability_words(chance: f64) -> String {
    if !(1e-9..1.0).contains(&chance) {
        return if chance >= 1.0 { "1".to_owned() } else { "less than 0.000000001".to_owned() };
    }
    let zeros = (1..=9).find(|&zeros| chance * 10f64.powi(zeros) >= 1.0).unwrap_or(9);
    format!("{chance:.*}", zeros as usize + 1)
}

/// A span for people: `90 s`, `5 min`, `2 h`.
pub fn span_words(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

// ---- answers ----------------------------------------------------------------------------------------------------------

/// Which rules a target follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A receiver of Standard Webhooks.
    Webhook,
    /// A Slack incoming webhook.
    Slack,
}

/// What a target's answer means for the message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It has it.
    Delivered,
    /// Try again, by the schedule, and not before this many seconds if it said so.
    Retry {
        /// Seconds from now, at most a day.
        after_seconds: Option<u32>,
    },
    /// The target is no more: disable it and tell its owner by another way.
    Gone,
    /// This message will never be taken; the target stays in use. Say so where people look.
    Refused,
}

/// Longest pause that a target can ask for, in seconds.
const RETRY_AFTER_SECONDS_MAX: i64 = 86_400;

/// Reads an answer. `retry_after` is the header as sent; `now_ms` is needed for its date form.
///
/// | status | Standard Webhooks | Slack |
/// |---|---|---|
/// | 2xx | delivered | delivered |
/// | 410 | gone: the specification's word for "stop sending" | gone: channel is archived |
/// | 403, 404 | retry: a receiver being deployed or re-keyed answers so | gone: webhook revoked, or its channel deleted |
/// | 400, 413, 415, 422 | refused: the same bytes will be refused again | refused: invalid payload or blocks |
/// | 429, 502, 503, 504 and every other | retry, after `Retry-After` if given | the same |
///
/// 3xx is a failure like any other: redirects are not followed, since they could lead to a private address.
pub fn interpret_delivery(kind: TargetKind, status: u16, retry_after: Option<&str>, now_ms: i64) -> Delivery {
    match (kind, status) {
        (_, 200..=299) => Delivery::Delivered,
        (_, 410) | (TargetKind::Slack, 403 | 404) => Delivery::Gone,
        (_, 400 | 413 | 415 | 422) => Delivery::Refused,
        _ => Delivery::Retry { after_seconds: retry_after.and_then(|text| retry_after_seconds(text, now_ms)) },
    }
}

/// `Retry-After`, in seconds or as a date; `None` if it cannot be read.
fn retry_after_seconds(text: &str, now_ms: i64) -> Option<u32> {
    let seconds = match text.trim().parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => parse_http_date(text)?.saturating_sub(now_ms).div_euclid(1_000).saturating_add(1),
    };
    u32::try_from(seconds.clamp(0, RETRY_AFTER_SECONDS_MAX)).ok()
}

#[cfg(test)]
mod tests;
