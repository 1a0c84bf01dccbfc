//! `GET /metrics`: the domain's own numbers, as Prometheus text or, by `Accept`, in the prototype's JSON.
//!
//! Numbers come from the objects, which hold them; an edge counts nothing that an isolate could lose. What did not
//! answer is a metric of its own, so that a missing series cannot be taken for a zero.

mod exposition;
mod prototype;

use super::fan_out::ask_objects;
use super::lists::require_all_rows;
use super::{Answer, Call, Outcome, bound_component, json};
use crate::monitoring::report;
use crate::processors::calls::CountsCall;
use exposition::exposition;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Media types of the two forms of text.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a scraper prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    OpenMetrics,
    Json,
}

/// Answers with metrics.
pub async fn metrics(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let form = preferred(call.head.header("Accept").as_deref());
    let today = call.now.0.div_euclid(DAY_MS) * DAY_MS;
    let days = CountsCall { from_ms: today - DAY_MS, to_ms: today + DAY_MS, bucket_ms: DAY_MS };
    let gathered = ask_objects(call, &[], |stubs, address| {
        let days = days.clone();
        async move {
            let status = stubs.status(&address).await?;
            let counts = match form {
                Form::Json => Some(stubs.counts(&address, &days).await?),
                Form::Text | Form::OpenMetrics => None,
            };
            Ok((status, counts))
        }
    })
    .await?;
    if form == Form::Json {
        let service = prototype::Service {
            name: call.config.service_name(),
            environment: call.config.environment().word(),
            now_ms: call.now.0,
            today_ms: today,
        };
        return Ok(Answer::Json(json(&prototype::metrics(&service, &gathered))?));
    }
    // Deliveries are the whole domain's; a key for one component is not shown them.
    let domain = match bound_component(&call.principal) {
        None => call
            .stubs()
            .domain_status(call.domain())
            .await
            .inspect_err(|error| report("DomainStatusUnknown", &[("request", &call.head.request_id), ("error", error)]))
            .map(Some),
        Some(_) => Ok(None),
    };
    // Zeros in place of numbers that nobody could give would be believed.
    let unreachable = gathered.failed.len() + usize::from(domain.is_err());
    let objects: Vec<_> = gathered.answers.into_iter().map(|(_, (status, _))| status).collect();
    let is_open_metrics = form == Form::OpenMetrics;
    let text = exposition(&objects, domain.ok().flatten().as_ref(), unreachable, is_open_metrics);
    Ok(Answer::Text(if is_open_metrics { OPEN_METRICS } else { TEXT }, text))
}

/// The first known type of an `Accept`; Prometheus text if none is.
fn preferred(accept: Option<&str>) -> Form {
    let types = accept.unwrap_or_default().split(',').map(|one| one.split(';').next().unwrap_or_default().trim());
    types
        .filter_map(|media| match media {
            "application/json" => Some(Form::Json),
            "application/openmetrics-text" => Some(Form::OpenMetrics),
            "text/plain" | "text/*" | "*/*" => Some(Form::Text),
            _ => None,
        })
        .next()
        .unwrap_or(Form::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_form() {
        for (accept, form) in [
            (None, Form::Text),
            (Some("*/*"), Form::Text),
            (Some("application/json"), Form::Json),
            (Some("application/json, text/plain;q=0.5"), Form::Json),
            (Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), Form::OpenMetrics),
            (Some("image/png"), Form::Text),
        ] {
            assert_eq!(preferred(accept), form, "{accept:?}");
        }
    }
}
