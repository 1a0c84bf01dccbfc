//! `sapwood tail`: follows records as they arrive, over a WebSocket.
//!
//! The service says how many records it had to leave out, and that is shown. When the connection is lost it is made
//! anew, with growing waits; what arrived in between is not replayed (search finds it), and the gap is said.

use crate::Verdict;
use crate::endpoint::{Endpoint, EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, grouped, value_line};
use crate::replies::TailFrame;
use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Arguments of `tail`.
#[derive(clap::Args, Default)]
pub(crate) struct Tail {
    /// Only this component; may be repeated.
    #[arg(long)]
    component: Vec<String>,
    /// Only these levels: error,fatal.
    #[arg(long)]
    level: Option<String>,
    /// Only messages with these words.
    #[arg(long)]
    text: Option<String>,
    /// Frames as they come, one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Tail {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let mut follow = Follow::new(&self.endpoint.resolve(Scope::Read)?, &self.filter())?;
        let style = Style::of_stdout();
        loop {
            match follow.poll(Duration::from_secs(1))? {
                Heard::Frame(frame) => self.show(&frame, style, out)?,
                Heard::Lost(reason) => writeln!(io::stderr(), "tail: connection lost ({reason}), trying again")?,
                Heard::Joined => writeln!(io::stderr(), "tail: following {}", follow.url)?,
                Heard::Nothing => {}
            }
        }
    }

    fn filter(&self) -> Vec<(&'static str, String)> {
        let mut filter: Vec<_> = self.component.iter().map(|name| ("component", name.clone())).collect();
        filter.extend(self.level.clone().map(|level| ("level", level)));
        filter.extend(self.text.clone().map(|text| ("q", text)));
        filter
    }

    fn show(&self, text: &str, style: Style, out: &mut dyn Write) -> Result<(), Fault> {
        if self.json {
            writeln!(out, "{text}")?;
        } else if let Ok(frame) = serde_json::from_str::<TailFrame>(text) {
            for record in &frame.records {
                writeln!(out, "{}", value_line(record, style))?;
            }
            if frame.skipped > 0 {
                writeln!(out, "{}", style.bad(&format!("… {} not shown: too many at once", grouped(frame.skipped))))?;
            }
        }
        out.flush()?;
        Ok(())
    }
}

/// What one look at the connection brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A frame, as text.
    Frame(String),
    /// The connection stands.
    Joined,
    /// The connection is gone; it is tried again.
    Lost(String),
    /// Nothing within the time.
    Nothing,
}

/// A live tail that comes back.
pub(crate) struct Follow {
    url: String,
    key: HeaderValue,
    socket: Option<WebSocket<MaybeTlsStream<TcpStream>>>,
    wait: Duration,
    next_try: Instant,
}

const WAIT_MIN: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(10);

impl Follow {
    /// A tail of what passes `filter`. Connects at the first poll.
    pub(crate) fn new(endpoint: &Endpoint, filter: &[(&str, String)]) -> Result<Self, Fault> {
        let base = endpoint.url.replacen("http", "ws", 1);
        let query: Vec<_> = filter.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let key = HeaderValue::from_str(&endpoint.key)
            .map_err(|_| Fault::Request("the key holds characters that no key has: copy it again".to_owned()))?;
        Ok(Self {
            url: format!("{base}/api/logs/tail{mark}{}", query.join("&")),
            key,
            socket: None,
            wait: WAIT_MIN,
            next_try: Instant::now(),
        })
    }

    /// Waits at most `patience` for something to happen. A refusal (wrong key, wrong filter) is a fault: trying again
    /// would not help.
    pub(crate) fn poll(&mut self, patience: Duration) -> Result<Heard, Fault> {
        let Some(socket) = &mut self.socket else { return self.join(patience) };
        set_patience(socket, patience);
        match socket.read() {
            Ok(Message::Text(text)) => {
                self.wait = WAIT_MIN;
                Ok(Heard::Frame(text.as_str().to_owned()))
            }
            Ok(Message::Close(frame)) => Ok(self
                .lose(frame.map_or("closed".to_owned(), |frame| format!("closed: {} {}", frame.code, frame.reason)))),
            Ok(_) => Ok(Heard::Nothing),
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                Ok(Heard::Nothing)
            }
            Err(error) => Ok(self.lose(error.to_string())),
        }
    }

    fn join(&mut self, patience: Duration) -> Result<Heard, Fault> {
        let left = self.next_try.saturating_duration_since(Instant::now());
        if left > Duration::ZERO {
            std::thread::sleep(left.min(patience));
            return Ok(Heard::Nothing);
        }
        let mut request = self
            .url
            .as_str()
            .into_client_request()
            .map_err(|error| Fault::Request(format!("{} is no address ({error}): check --url", self.url)))?;
        request.headers_mut().insert("X-API-Key", self.key.clone());
        match tungstenite::connect(request) {
            Ok((socket, _)) => {
                self.socket = Some(socket);
                Ok(Heard::Joined)
            }
            Err(tungstenite::Error::Http(response)) if response.status().is_client_error() => {
                let status = response.status().as_u16();
                Err(Fault::Client(crate::client::ClientFault::Refused {
                    status,
                    problem: response
                        .body()
                        .as_deref()
                        .and_then(|b| serde_json::from_slice(b).ok())
                        .unwrap_or_default(),
                    retry_after: None,
                }))
            }
            Err(error) => Ok(self.lose(error.to_string())),
        }
    }

    fn lose(&mut self, reason: String) -> Heard {
        self.socket = None;
        self.next_try = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(WAIT_MAX);
        Heard::Lost(reason)
    }
}

/// A socket that cannot be told is read without a limit: slower to notice the end, never wrong.
fn set_patience(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>, patience: Duration) {
    let stream = match socket.get_mut() {
        MaybeTlsStream::Plain(stream) => stream,
        #[cfg(feature = "tls")]
        MaybeTlsStream::Rustls(stream) => stream.get_mut(),
        _ => return,
    };
    let _ = stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))));
}

/// Percent-encoding for a query value.
fn encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use tungstenite::handshake::server::{Request, Response};

    fn endpoint(listener: &TcpListener) -> Endpoint {
        Endpoint { url: format!("http://{}", listener.local_addr().unwrap()), key: "k".into() }
    }

    /// Polls until something other than nothing is heard.
    fn hear(follow: &mut Follow) -> Heard {
        for _ in 0..100 {
            match follow.poll(Duration::from_millis(100)).unwrap() {
                Heard::Nothing => {}
                heard => return heard,
            }
        }
        panic!("nothing heard in ten seconds");
    }

    #[test]
    fn frames_arrive_and_a_lost_connection_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = endpoint(&listener);
        let server = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for text in ["one", "two"] {
                let (stream, _) = listener.accept().unwrap();
                #[allow(clippy::result_large_err)]
                let note = |request: &Request, response: Response| {
                    asked.push(format!("{} {:?}", request.uri(), request.headers().get("x-api-key")));
                    Ok(response)
                };
                let mut socket = tungstenite::accept_hdr(stream, note).unwrap();
                socket.send(Message::text(text)).unwrap();
                socket.close(None).unwrap();
                while socket.read().is_ok() {}
            }
            asked
        });
        let mut follow = Follow::new(&endpoint, &[("level", "error,fatal".into()), ("q", "a b".into())]).unwrap();
        follow.wait = Duration::from_millis(1);
        for text in ["one", "two"] {
            assert_eq!(hear(&mut follow), Heard::Joined);
            assert_eq!(hear(&mut follow), Heard::Frame(text.into()));
            assert!(matches!(hear(&mut follow), Heard::Lost(_)));
        }
        drop(follow);
        let asked = server.join().unwrap();
        assert_eq!(asked[0], r#"/api/logs/tail?level=error%2Cfatal&q=a%20b Some("k")"#);
    }

    #[test]
    fn a_refusal_ends_it_with_the_reason() {
        let server = crate::testing::Server::scripted([crate::testing::Answer::new(401, r#"{"title":"Who?"}"#)]);
        let mut follow = Follow::new(&server.endpoint(), &[]).unwrap();
        let fault = follow.poll(Duration::from_millis(10)).unwrap_err().to_string();
        assert!(fault.contains("401"), "{fault}");
    }

    #[test]
    fn records_and_what_was_left_out_are_shown() {
        let style = Style { has_colour: false, width: 100 };
        let frame = r#"{"records":[{"timestamp":0,"level":"warn","component":"cart","message":"low"}],"skipped":1200}"#;
        let mut out = Vec::new();
        Tail::default().show(frame, style, &mut out).unwrap();
        Tail::default().show("not a frame", style, &mut out).unwrap();
        Tail { json: true, ..Tail::default() }.show("{}", style, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            ["1970-01-01 00:00:00 warn  cart             low", "… 1,200 not shown: too many at once", "{}"]
        );
        let filter = Tail {
            component: vec!["a".into()],
            level: Some("error".into()),
            text: Some("x".into()),
            ..Tail::default()
        };
        assert_eq!(filter.filter().len(), 3);
    }
}
