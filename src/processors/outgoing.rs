//! HTTP to the outside: one request with a time limit, no redirects followed, a bounded answer.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use sapwood_engine::time::Millis;
use worker::{AbortController, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, js_sys::Uint8Array};

/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// The body, cut to what is looked at.
    pub body: Vec<u8>,
}

/// Sends a request and waits at most `timeout` for the whole answer.
///
/// # Errors
/// No answer in time, or none at all, in words for people. Neither names the URL: it may be a secret.
pub async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
    timeout: Millis,
) -> Result<Answer, String> {
    let neutral = |error: worker::Error| without_url(&error.to_string(), url);
    let list = Headers::new();
    for (name, value) in headers {
        list.set(name, value).map_err(neutral)?;
    }
    let mut init = RequestInit::new();
    init.with_method(method).with_headers(list).with_redirect(RequestRedirect::Manual);
    if let Some(body) = body {
        init.with_body(Some(Uint8Array::from(body).into()));
    }
    let request = Request::new_with_init(url, &init).map_err(neutral)?;
    let controller = AbortController::default();
    let signal = controller.signal();
    let call = pin!(async {
        let mut response = Fetch::Request(request).send_with_signal(&signal).await?;
        let retry_after = response.headers().get("retry-after")?;
        let mut body = response.bytes().await?;
        body.truncate(ANSWER_BYTES_MAX);
        Ok(Answer { status: response.status_code(), retry_after, body })
    });
    let timer = pin!(worker::Delay::from(Duration::from_millis(timeout.0.max(1) as u64)));
    match select(call, timer).await {
        Either::Left((answer, _)) => answer.map_err(neutral),
        Either::Right(_) => {
            controller.abort();
            Err(format!("no answer within {} ms", timeout.0))
        }
    }
}

fn without_url(message: &str, url: &str) -> String {
    message.replace(url, "the target").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_name_the_address() {
        let told = without_url("cannot reach https://hooks.example/T1/secret now", "https://hooks.example/T1/secret");
        assert_eq!(told, "cannot reach the target now");
    }
}
