//! Sheds floods: a rate-limit binding per credential. It is approximate and per location, so it protects the service
//! and never counts what a domain owes; quotas of records are the objects' affair, and being over them is no error.

use super::auth::Principal;
use crate::handlers::Refusal;
use crate::monitoring::report;
use sapwood_wire::problem::{Problem, ProblemCode};
use worker::Env;

/// Name of the binding. A deployment without it has no flood limit.
const BINDING: &str = "FLOOD_LIMIT";
/// Seconds after which a caller may try again: the period of the binding in `wrangler.toml`.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Whose requests are counted together.
pub fn subject(principal: &Principal) -> String {
    match (&principal.key_id, &principal.user) {
        (Some(key), _) => format!("key:{key}"),
        (None, Some(user)) => format!("user:{}:{}", principal.domain, user.as_str()),
        (None, None) => format!("domain:{}", principal.domain),
    }
}

/// Refuses a flood.
///
/// # Errors
/// 429 with `Retry-After`.
pub async fn check(env: &Env, subject: &str) -> Result<(), Refusal> {
    let Ok(limiter) = env.rate_limiter(BINDING) else { return Ok(()) };
    match limiter.limit(subject.to_owned()).await {
        Ok(outcome) if !outcome.success => {
            let problem = Problem::new(ProblemCode::RateLimited, "more requests than one key may make");
            Err(problem.with_retry_after(RETRY_AFTER_SECONDS).into())
        }
        Ok(_) => Ok(()),
        Err(error) => {
            report("FloodLimitFailed", &[("error", &error)]);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::auth::PrincipalKind;
    use crate::edge::key::{KeyId, Scopes};
    use sapwood_engine::address::Domain;

    #[test]
    fn each_credential_has_a_count_of_its_own() {
        let bare = Principal {
            domain: Domain::parse("a.com").unwrap(),
            scopes: Scopes::INGEST,
            component: None,
            key_id: None,
            user: None,
            only_user: None,
            kind: PrincipalKind::Service,
        };
        assert_eq!(subject(&bare), "domain:a.com");
        let key = KeyId::new([7; 9]);
        assert_eq!(subject(&Principal { key_id: Some(key), ..bare }), format!("key:{key}"));
    }
}
