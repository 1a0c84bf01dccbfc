//! Alerts as the receiver (scripts/demo-receiver.mjs) notes them: one JSON object a line, each already verified.

use crate::play::inject::{Injection, InjectionKind};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One alert.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct AlertNote {
    /// The webhook's id: the same for every attempt.
    pub id: String,
    /// The body as it came.
    pub body: Value,
    /// The body as a box for people.
    pub text: String,
}

impl AlertNote {
    /// Whether this alert tells of `injection`: it shows the message that nobody wrote before, or speaks of a burst in
    /// the component.
    pub(crate) fn tells_of(&self, injection: &Injection) -> bool {
        let text = self.body.to_string();
        match injection.kind {
            InjectionKind::NeverSeen => text.contains(&injection.message),
            InjectionKind::Burst => text.contains("burst") && text.contains(&format!("\"{}\"", injection.component)),
        }
    }
}

/// The receiver's notes, read as they grow.
pub(crate) struct AlertFeed {
    path: PathBuf,
    read: u64,
    /// All alerts so far.
    pub alerts: Vec<AlertNote>,
}

impl AlertFeed {
    /// Only what is noted from now on.
    pub(crate) fn from_now(path: &Path) -> Self {
        let read = std::fs::metadata(path).map_or(0, |file| file.len());
        Self { path: path.to_owned(), read, alerts: Vec::new() }
    }

    /// Alerts noted since the last look. A file that is not there yet holds none; half a line waits.
    pub(crate) fn fresh(&mut self) -> Vec<AlertNote> {
        let mut text = Vec::new();
        let is_read = File::open(&self.path)
            .and_then(|mut file| file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut text)))
            .is_ok();
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n').filter(|_| is_read) else { return Vec::new() };
        self.read += end as u64 + 1;
        let lines = text[..end].split(|&byte| byte == b'\n');
        let known = self.alerts.len();
        for note in lines.filter_map(|line| serde_json::from_slice::<AlertNote>(line).ok()) {
            // A webhook is delivered at least once; its id tells repetitions apart.
            if !self.alerts.iter().any(|alert| alert.id == note.id) {
                self.alerts.push(note);
            }
        }
        self.alerts[known..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use sapwood_engine::time::Timestamp;
    use std::io::Write;

    #[test]
    fn notes_are_read_once_and_whole() {
        let folder = Folder::new();
        let path = folder.write("alerts.jsonl", "{\"id\":\"old\"}\n");
        let mut feed = AlertFeed::from_now(&path);
        assert!(feed.fresh().is_empty());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "{{\"id\":\"a\"}}\n{{\"id\":").unwrap();
        assert_eq!(feed.fresh().iter().map(|alert| alert.id.as_str()).collect::<Vec<_>>(), ["a"]);
        writeln!(file, "\"b\"}}\n{{\"id\":\"a\"}}").unwrap();
        assert_eq!(feed.fresh().iter().map(|alert| alert.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(feed.fresh().is_empty());
        assert_eq!(feed.alerts.len(), 2);
        assert!(AlertFeed::from_now(&folder.path("absent")).fresh().is_empty());
    }

    #[test]
    fn an_alert_is_known_by_its_words_or_by_kind_and_place() {
        let injection = |kind, component: &str| Injection {
            kind,
            source: 0,
            component: component.into(),
            message: "the bobo of keke has come loose".into(),
            at: Timestamp(0),
            count: 1,
        };
        let alert = |json: Value| AlertNote { body: json, ..AlertNote::default() };
        let new = alert(serde_json::json!({"data": {"exemplars": [{"message": "the bobo of keke has come loose"}]}}));
        let burst = alert(serde_json::json!({"data": {"component": "cart", "incidents": [{"kind": "burst"}]}}));
        let (never_seen, in_cart) = (injection(InjectionKind::NeverSeen, "x"), injection(InjectionKind::Burst, "cart"));
        assert!(new.tells_of(&never_seen) && !new.tells_of(&in_cart));
        assert!(burst.tells_of(&in_cart) && !burst.tells_of(&never_seen));
        assert!(!burst.tells_of(&injection(InjectionKind::Burst, "car")));
    }
}
