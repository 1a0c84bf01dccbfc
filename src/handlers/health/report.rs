//! The report of `/health`, in the prototype's shape.

use sapwood_engine::time::{Millis, Timestamp};
use sapwood_wire::moment::Iso;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

/// How one thing fares, and all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It answers.
    Healthy,
    /// It does not, and the service goes on without it.
    Degraded,
    /// It does not, and the service cannot do its work.
    Unhealthy,
}

impl State {
    /// The prototype's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What came of trying one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it fares.
    pub state: State,
    /// In words.
    pub message: String,
    /// How long it took to answer.
    pub response_time: Option<Millis>,
}

impl Check {
    /// It answers.
    pub fn healthy(message: &str) -> Self {
        Self { state: State::Healthy, message: message.to_owned(), response_time: None }
    }
    /// It does not.
    pub fn degraded(message: &str) -> Self {
        Self { state: State::Degraded, ..Self::healthy(message) }
    }
    /// It does not, and nothing works without it.
    pub fn unhealthy(message: &str) -> Self {
        Self { state: State::Unhealthy, ..Self::healthy(message) }
    }
}

/// The worst of all.
pub fn overall(checks: &[(&'static str, Check)]) -> State {
    checks.iter().map(|(_, check)| check.state).max().unwrap_or(State::Healthy)
}

/// Who reports.
pub(super) struct Service<'a> {
    pub(super) name: &'a str,
    pub(super) environment: &'a str,
    pub(super) uptime: Millis,
}

/// The whole report.
pub(super) struct Report<'a> {
    pub(super) service: &'a Service<'a>,
    pub(super) checks: &'a [(&'static str, Check)],
    pub(super) request_id: &'a str,
    pub(super) asked_at: Timestamp,
    pub(super) responded_at: Timestamp,
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 5)?;
        report.serialize_field("status", overall(self.checks).word())?;
        report.serialize_field("timestamp", &Iso(self.asked_at.0))?;
        report.serialize_field("service", self.service)?;
        report.serialize_field("checks", &Checks(self))?;
        report.serialize_field(
            "metadata",
            &serde_json::json!({ "requestId": self.request_id, "respondedAt": Timestamp::to_string(&self.responded_at) }),
        )?;
        report.end()
    }
}

impl Serialize for Service<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut service = serializer.serialize_struct("Service", 4)?;
        service.serialize_field("name", self.name)?;
        service.serialize_field("version", env!("CARGO_PKG_VERSION"))?;
        service.serialize_field("environment", self.environment)?;
        let seconds = self.uptime.0 / 1_000;
        let uptime = serde_json::json!({
            "milliseconds": self.uptime.0, "seconds": seconds, "human": human(seconds)
        });
        service.serialize_field("uptime", &uptime)?;
        service.end()
    }
}

struct Checks<'a>(&'a Report<'a>);

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.checks.len()))?;
        for (name, check) in self.0.checks {
            map.serialize_entry(name, &Shown(check, self.0.responded_at))?;
        }
        map.end()
    }
}

struct Shown<'a>(&'a Check, Timestamp);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(check, at) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", check.state.word())?;
        map.serialize_entry("message", &check.message)?;
        if let Some(Millis(took)) = check.response_time {
            map.serialize_entry("responseTime", &took)?;
        }
        map.serialize_entry("timestamp", &Iso(at.0))?;
        map.end()
    }
}

fn human(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        let of =
            |checks: &[Check]| overall(&checks.iter().map(|check| ("x", check.clone())).collect::<Vec<_>>()).word();
        let (good, bad, worst) = (Check::healthy("a"), Check::degraded("b"), Check::unhealthy("c"));
        assert_eq!(of(&[]), "healthy");
        assert_eq!(of(std::slice::from_ref(&good)), "healthy");
        assert_eq!(of(&[good.clone(), bad.clone()]), "degraded");
        assert_eq!(of(&[bad, worst, good]), "unhealthy");
    }

    #[test]
    fn the_shape_is_the_prototype_s() {
        let service = Service { name: "s", environment: "staging", uptime: Millis(93_784_000) };
        let check = Check { response_time: Some(Millis(3)), ..Check::degraded("slow") };
        let checks = [("kv_storage", check), ("configuration", Check::healthy("ok"))];
        let report = Report {
            service: &service,
            checks: &checks,
            request_id: "r",
            asked_at: Timestamp(0),
            responded_at: Timestamp(5),
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["status"], &json["timestamp"]), (&"degraded".into(), &"1970-01-01T00:00:00.000Z".into()));
        assert_eq!(
            (&json["service"]["uptime"]["human"], &json["service"]["uptime"]["seconds"]),
            (&"1d 2h 3m".into(), &93_784.into())
        );
        assert_eq!(
            (&json["checks"]["kv_storage"]["responseTime"], &json["checks"]["kv_storage"]["status"]),
            (&3.into(), &"degraded".into())
        );
        assert_eq!(json["checks"]["configuration"]["timestamp"], "1970-01-01T00:00:00.005Z");
        assert_eq!(
            (&json["metadata"]["requestId"], &json["metadata"]["respondedAt"]),
            (&"r".into(), &"1970-01-01T00:00:00.005Z".into())
        );
    }

    #[test]
    fn uptime_is_said_for_people() {
        assert_eq!([5, 65, 3_700].map(human), ["5s", "1m 5s", "1h 1m"]);
    }
}
