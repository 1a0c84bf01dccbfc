//! Edge to stream: a deployment that somebody announces; and back: those that a component knows of.

use sapwood_engine::machine::stream::{Deployment, DeploymentSource};
use sapwood_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Edge to stream: this release was deployed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeployedCall {
    /// Its name.
    pub release: String,
    /// When, ms.
    pub at_ms: i64,
    /// Who says so.
    pub by: String,
}

impl DeployedCall {
    /// For the machine.
    pub fn deployment(self) -> Deployment {
        let source = DeploymentSource::Announced(self.by);
        Deployment { release: self.release, at: Timestamp(self.at_ms).clamped(), source }
    }
}

/// Stream to edge: a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// Its release.
    pub release: String,
    /// When (event time), ms.
    pub at_ms: i64,
    /// Until when counts and durations may wander more, ms.
    pub widened_until_ms: i64,
    /// `announced`, or `seen` when records named the release for the first time.
    pub source: String,
    /// Who announced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl DeploymentView {
    /// As it is shown.
    pub fn of(deployment: &Deployment) -> Self {
        let (source, by) = match &deployment.source {
            DeploymentSource::Announced(by) => ("announced", Some(by.clone())),
            DeploymentSource::Seen => ("seen", None),
        };
        Self {
            release: deployment.release.clone(),
            at_ms: deployment.at.0,
            widened_until_ms: deployment.widened().1.0,
            source: source.to_owned(),
            by,
        }
    }
}
