//! What of a request is looked at before its body is: method, path, query, headers. Natively testable, because headers
//! are reached through a function.

use super::random;
use worker::{Request, Url};

/// Bytes of an `X-Request-ID` that is taken over from the caller.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Reads a header by its name, in any case.
type HeaderLookup = Box<dyn Fn(&str) -> Option<String>>;

/// Everything of a request but its body.
pub struct RequestHead {
    /// `GET`, `POST` ...
    pub method: String,
    /// The address under which we were called.
    pub url: Url,
    /// The caller's id for this request if it is usable, else one of ours; in every reply and in our telemetry.
    pub request_id: String,
    headers: HeaderLookup,
}

impl RequestHead {
    /// The head of a request that came in.
    ///
    /// # Errors
    /// The platform gave no readable address.
    pub fn of(request: &Request) -> worker::Result<Self> {
        let headers = request.headers().clone();
        // A name that JavaScript would refuse cannot occur here: all names are constants of this crate.
        let read = move |name: &str| headers.get(name).ok().flatten();
        Ok(Self::new(request.method().to_string(), request.url()?, Box::new(read)))
    }

    /// A head made of parts.
    pub fn new(method: String, url: Url, headers: HeaderLookup) -> Self {
        let given = headers("X-Request-ID").filter(|id| is_request_id(id));
        let request_id = given.unwrap_or_else(random::token);
        Self { method, url, request_id, headers }
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<String> {
        (self.headers)(name)
    }

    /// The path, as sent.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The host under which we were called, with its port if it has one.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The origin under which we were called.
    pub fn own_origin(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.host())
    }

    /// The parameters of the query, percent-decoded, in the order sent.
    pub fn query(&self) -> Vec<(String, String)> {
        self.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    /// Whether the path belongs to the prototype's API, whose clients expect its envelopes.
    pub fn is_prototype(&self) -> bool {
        self.path() == "/logs" || self.path().starts_with("/logs/")
    }
}

/// Whether text may be repeated in a header and in our telemetry.
fn is_request_id(text: &str) -> bool {
    let sized = !text.is_empty() && text.len() <= REQUEST_ID_BYTES_MAX;
    sized && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(url: &str, id: Option<&'static str>) -> RequestHead {
        let headers = move |name: &str| id.filter(|_| name == "X-Request-ID").map(str::to_owned);
        RequestHead::new("GET".into(), Url::parse(url).unwrap(), Box::new(headers))
    }

    #[test]
    fn the_caller_s_request_id_is_kept_if_it_is_harmless() {
        assert_eq!(head("http://a/", Some("8e03-a.b_c:1/2")).request_id, "8e03-a.b_c:1/2");
        for id in ["", "a b", "a\"b", "é", "{x}"] {
            assert!(!is_request_id(id), "{id}");
        }
        assert!(!is_request_id(&"a".repeat(129)));
    }

    #[test]
    fn the_address_comes_apart() {
        let head = head("https://logger.example.com:8787/logs/x?q=a%20b&q=c+d&e", Some("i"));
        assert_eq!((head.path(), head.host().as_str()), ("/logs/x", "logger.example.com:8787"));
        assert_eq!(head.own_origin(), "https://logger.example.com:8787");
        let pairs = [("q", "a b"), ("q", "c d"), ("e", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(head.query(), pairs);
        assert!(head.is_prototype() && head.header("Accept").is_none());
    }
}
