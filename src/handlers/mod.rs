//! One file per route: read what is asked, call the objects, put the answer together.
//!
//! Handlers know no HTTP statuses: they return an [`Answer`] or a [`Refusal`], which `edge::reply` turns into a
//! response. What can be decided without the platform is in pure functions beside each handler and tested there.

pub mod audit;
pub mod baseline;
pub mod chart;
pub mod cleanup;
pub mod configuration;
pub mod deployments;
pub mod erase;
pub mod fall_through;
pub mod fan_out;
#[cfg(feature = "fault-injection")]
pub mod fault;
pub mod feedback;
pub mod health;
pub mod ingest;
pub mod json_body;
pub mod keys;
pub mod kinship;
pub mod lessons;
pub mod lists;
pub mod metrics;
pub mod patterns;
pub mod record;
pub mod replay;
pub mod search;
pub mod shards;
pub mod summary;
pub mod tail;
pub mod transfer;
pub mod whole;
pub mod windows;

use crate::edge::auth::{AuthError, Principal, PrincipalKind};
use crate::edge::key::Scopes;
use crate::edge::known::DomainKnowledge;
use crate::edge::request::RequestHead;
use crate::processors::stubs::{CallError, Stubs};
use sapwood_engine::config::Config;
use sapwood_engine::time::Timestamp;
use sapwood_wire::problem::{PartialFailure, Problem, ProblemCode};
use sapwood_wire::reply::{FieldError, IngestReply};
use serde::Serialize;
use std::rc::Rc;
use worker::{Context, Env, Response};

/// What every handler of an authenticated route is given.
pub struct Call<'a> {
    /// Bindings.
    pub env: &'a Env,
    /// For work behind the reply.
    pub context: &'a Context,
    /// The service's configuration.
    pub config: Rc<Config>,
    /// Who calls.
    pub principal: Principal,
    /// Everything of the request but its body.
    pub head: &'a RequestHead,
    /// When the request arrived: one instant for all of it.
    pub now: Timestamp,
}

/// What a handler came to.
pub enum Answer {
    /// 200 with JSON.
    Json(Vec<u8>),
    /// 201 with JSON.
    Created(Vec<u8>),
    /// 202 with JSON: it is seen to, and not done yet.
    Accepted(Vec<u8>),
    /// 202: every record of a request has its outcome.
    Ingested {
        /// The outcomes.
        reply: IngestReply,
        /// Whether an earlier request with the same batch key had stored all of it.
        is_replay: bool,
        /// Whether `Prefer: return=representation` was followed.
        has_representation: bool,
    },
    /// 503: some parts of a request are missing.
    Partial(Box<PartialFailure>),
    /// 201 in the prototype's envelope.
    Submitted {
        /// Under which the record can be read; empty if only its count was kept.
        id: String,
        /// What it was understood as.
        understanding: ingest::Understanding,
        /// Whether it was stored by an earlier request.
        is_replay: bool,
    },
    /// 200 with text of this type.
    Text(&'static str, String),
    /// 200 or 503 with the state of the service.
    Health {
        /// `healthy`, `degraded` or `unhealthy`.
        status: &'static str,
        /// The report.
        body: Vec<u8>,
    },
    /// A socket of the live tail, opened by the domain object; with the protocol that was agreed on.
    Socket(Box<Response>, Option<&'static str>),
}

/// Why a request is not carried out.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// Nothing lives at this path.
    NoSuchPath,
    /// Something does, under these methods.
    OtherMethods(Vec<&'static str>),
    /// The page's origin is not allowed.
    ForeignOrigin,
    /// The caller is not let in.
    NotAuthorized(AuthError),
    /// The configuration is wrong in these keys; nothing but `/health` answers.
    Misconfigured(Vec<String>),
    /// An object failed.
    Fault(CallError),
    /// Anything that has a code of its own.
    Problem(Box<Problem>),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::NotAuthorized(error)
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Fault(error)
    }
}

/// What a handler returns.
pub type Outcome = Result<Answer, Refusal>;

impl Call<'_> {
    /// The caller's domain.
    pub fn domain(&self) -> &str {
        self.principal.domain.as_str()
    }

    /// Calls to objects, with the configured timeout.
    pub fn stubs(&self) -> Stubs<'_> {
        Stubs::new(self.env, self.config.object_timeout())
    }

    /// Who it was, for the audit log.
    pub fn actor(&self) -> String {
        actor(&self.principal)
    }

    /// Refuses a caller whose key was taken back.
    ///
    /// # Errors
    /// [`AuthError::Revoked`].
    pub fn check_revocation(&self, knowledge: &DomainKnowledge) -> Result<(), Refusal> {
        let key = self.principal.key_id.map(|id| id.to_string());
        if key.is_some_and(|id| knowledge.is_revoked(&id)) { Err(AuthError::Revoked.into()) } else { Ok(()) }
    }
}

/// Who a principal is, for the audit log.
fn actor(principal: &Principal) -> String {
    match (&principal.key_id, &principal.user, principal.kind) {
        (Some(key), _, _) => key.to_string(),
        (None, Some(user), _) => format!("user:{}", user.as_str()),
        (None, None, PrincipalKind::Operator) => "operator".to_owned(),
        (None, None, PrincipalKind::Service) => {
            format!("service:{}", principal.component.as_ref().map_or("unnamed", |component| component.as_str()))
        }
        (None, None, PrincipalKind::Anonymous | PrincipalKind::ApiKey | PrincipalKind::User) => "anonymous".to_owned(),
    }
}

/// JSON of something that is ours and therefore can be written.
pub fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|error| Refusal::Fault(CallError::Unreadable(error.to_string())))
}

/// A problem with parameters, all of them at once.
pub fn invalid_query(errors: Vec<FieldError>) -> Refusal {
    Problem::new(ProblemCode::InvalidQuery, "").with_errors(errors).into()
}

/// Refuses callers that may see only a part of a domain, on routes that show the whole.
///
/// # Errors
/// 403 for users who may read only their own rows, and for keys bound to a component.
pub fn require_whole_domain(principal: &Principal) -> Result<(), Refusal> {
    if principal.only_user.is_some() {
        return Err(AuthError::WrongScope(Scopes::READ).into());
    }
    match bound_component(principal) {
        None => Ok(()),
        Some(_) => Err(Problem::new(ProblemCode::ForbiddenComponent, "this needs a key for all components").into()),
    }
}

/// The only component that a caller may read, if there is such a bound. A service names itself to be found again, not
/// to be kept from the rest.
pub fn bound_component(principal: &Principal) -> Option<&str> {
    let is_bound = principal.kind == PrincipalKind::ApiKey;
    principal.component.as_ref().filter(|_| is_bound).map(|component| component.as_str())
}
