//! What people do to streams beside teaching: say what an incident was, take that back, announce deployments. Whatever
//! was taken is a row of the journal, so that the checkers find it again after every crash.

use super::world::World;
use sapwood_engine::machine::stream::{Deployment, DeploymentSource, Event as Input, Opinion};
use sapwood_engine::time::Timestamp;

impl World {
    /// A stream that is in memory.
    fn any_live_stream(&mut self) -> Option<usize> {
        let stream = self.random.below(self.streams.len() as u64) as usize;
        self.streams[stream].live.is_some().then_some(stream)
    }

    /// Somebody says what an incident was, or takes that back; or means one that is not there.
    pub(super) fn judge_incident(&mut self) {
        let Some(stream) = self.any_live_stream() else { return };
        let Some(machine) = &self.streams[stream].live else { return };
        let mut known: Vec<String> = machine.incidents().all().map(|incident| incident.id.clone()).collect();
        known.push("of another component".to_owned());
        let incident = known[self.random.below(known.len() as u64) as usize].clone();
        self.tell(|| format!("stream {stream}: somebody judges {incident}"));
        let input = if self.random.permille(300) {
            Input::FeedbackUndone(incident)
        } else {
            let opinion = if self.random.permille(700) { Opinion::Noise } else { Opinion::Real };
            Input::Feedback { incident, opinion, note: "a simulation".into(), by: "operator".into() }
        };
        // If its write failed it was not taken, and whoever judged is told so.
        let _answer = self.stream_transition(stream, input);
    }

    /// Somebody says that a release began to run, a little ago.
    pub(super) fn deploy(&mut self) {
        let Some(stream) = self.any_live_stream() else { return };
        // An object that has nothing takes no note.
        if self.streams[stream].disk.current.is_blank() {
            return;
        }
        let release = format!("release {}", self.random.below(5));
        let at = Timestamp(self.now - self.random.below(600_000) as i64);
        self.tell(|| format!("stream {stream}: {release} is deployed"));
        let source = DeploymentSource::Announced("operator".into());
        let _taken = self.stream_transition(stream, Input::Deployed(Deployment { release, at, source }));
    }
}
