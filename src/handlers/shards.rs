//! `PUT /api/components/{component}/shards`: spreads a component over so many objects, ahead of the traffic that would
//! have it done by itself.
//!
//! The change is a new map in the domain's directory. Objects and other edges learn of it with the next calls; nothing
//! stops meanwhile, and repeating the request changes nothing more.

use super::json_body::{error, object};
use super::{Answer, Call, Outcome, bound_component, invalid_query, json};
use crate::edge::domain_view;
use crate::processors::calls::SpreadAnswer;
use sapwood_engine::shard::SHARDS_MAX;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde_json::{Map, Value};
use worker::Request;

/// Spreads a component.
pub async fn spread(call: &Call<'_>, component: &str, request: &mut Request) -> Outcome {
    if bound_component(&call.principal).is_some_and(|bound| bound != component) {
        return Err(Problem::new(ProblemCode::ForbiddenComponent, "this key is bound to another component").into());
    }
    let body = object(request, call.head.header("Content-Length").as_deref()).await?;
    let shards = read(&body).map_err(invalid_query)?;
    // Refuses a caller whose key was taken back a moment ago.
    domain_view::directory(call).await?;
    match call.stubs().spread(call.domain(), &call.actor(), component, shards).await? {
        SpreadAnswer::Done(view) => {
            domain_view::publish_anew(call).await;
            Ok(Answer::Json(json(&view)?))
        }
        SpreadAnswer::NotFound => {
            Err(Problem::new(ProblemCode::NotFound, "no component has this name; nothing was changed").into())
        }
        SpreadAnswer::Unread => {
            let detail = "how the component is spread was written by a newer build, and this one cannot read it; change \
                          it with the newer build";
            Err(Problem::new(ProblemCode::Unavailable, detail).into())
        }
        SpreadAnswer::Count => Err(invalid_query(vec![out_of_range()])),
        SpreadAnswer::TooOften(until_ms) => {
            let wait = until_ms.saturating_sub(call.now.0).max(0) / 1_000 + 1;
            let detail = "the component was spread anew too often: for each earlier way batch keys are remembered, and \
                          every retry has to ask about them";
            let problem = Problem::new(ProblemCode::SpreadTooOften, detail);
            Err(problem.with_retry_after(u32::try_from(wait).unwrap_or(u32::MAX)).into())
        }
    }
}

fn read(body: &Map<String, Value>) -> Result<u16, Vec<FieldError>> {
    let mut errors: Vec<_> = body
        .keys()
        .filter(|name| *name != "shards")
        .map(|name| error(name, "unknown_field", "no such field; `shards` is"))
        .collect();
    let shards = match body.get("shards") {
        None => {
            errors.push(error("shards", "missing_field", format!("how many objects, 1 to {SHARDS_MAX}")));
            None
        }
        Some(value) => value.as_u64().and_then(|shards| u16::try_from(shards).ok()),
    };
    match shards.filter(|shards| (1..=SHARDS_MAX).contains(shards)) {
        Some(shards) if errors.is_empty() => Ok(shards),
        None if body.contains_key("shards") => {
            errors.push(out_of_range());
            Err(errors)
        }
        _ => Err(errors),
    }
}

fn out_of_range() -> FieldError {
    error("shards", "out_of_range", format!("a whole number, 1 to {SHARDS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(body: &str) -> Result<u16, Vec<String>> {
        let body = serde_json::from_str(body).unwrap();
        read(&body).map_err(|errors| errors.into_iter().map(|error| error.code).collect())
    }

    #[test]
    fn a_number_of_objects_is_read_and_everything_else_is_named() {
        assert_eq!(codes(r#"{"shards":4}"#), Ok(4));
        let refused = |words: &[&str]| Err(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(codes("{}"), refused(&["missing_field"]));
        for bad in ["0", "17", "-1", "2.5", "\"4\"", "null", "70000"] {
            assert_eq!(codes(&format!("{{\"shards\":{bad}}}")), refused(&["out_of_range"]), "{bad}");
        }
        assert_eq!(codes(r#"{"shards":4,"count":4}"#), refused(&["unknown_field"]));
    }
}
