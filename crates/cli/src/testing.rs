//! What tests stand on: a real HTTP server that answers from a script and remembers what it was asked, and a folder
//! that goes away.

use crate::client::Client;
use crate::endpoint::Endpoint;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// One request as it arrived; the body is inflated.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer: status, headers, body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Nothing that is an answer comes back.
    pub is_lost: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), is_lost: false }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn lost() -> Self {
        Self { is_lost: true, ..Self::new(0, "") }
    }
}

/// A server on a free port.
pub(crate) struct Server {
    server: Arc<tiny_http::Server>,
    asked: Arc<Mutex<Vec<Asked>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Gives `answers` one by one; when they are used up, 500.
    pub(crate) fn scripted(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        Self::answering(move |_| answers.pop_front().unwrap_or_else(|| Answer::new(500, "no answer left")))
    }

    /// Answers with what `answer` says.
    pub(crate) fn answering(mut answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (worker, log) = (server.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            while let Ok(mut request) = worker.recv() {
                let seen = read_request(&mut request);
                let answer = answer(&seen);
                log.lock().unwrap().push(seen);
                respond(request, answer);
            }
        });
        Self { server, asked, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.server_addr().to_ip().unwrap())
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { url: self.url(), key: "test-key".into() }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.endpoint())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_request(request: &mut tiny_http::Request) -> Asked {
    let headers: Vec<(String, String)> =
        request.headers().iter().map(|h| (h.field.as_str().as_str().to_owned(), h.value.as_str().to_owned())).collect();
    let mut bytes = Vec::new();
    // A request for a WebSocket has no body, and what follows it never ends.
    let is_upgrade = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    if !is_upgrade {
        request.as_reader().read_to_end(&mut bytes).unwrap();
    }
    if headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-encoding") && value == "gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    Asked {
        method: request.method().to_string(),
        path: request.url().to_owned(),
        headers,
        body: String::from_utf8(bytes).unwrap(),
    }
}

fn respond(request: tiny_http::Request, answer: Answer) {
    if answer.is_lost {
        // The service may have done its work; what comes back is no HTTP.
        let mut writer = request.into_writer();
        let _ = writer.write_all(b"\0\r\n\r\n").and_then(|()| writer.flush());
        return;
    }
    let mut response = tiny_http::Response::from_string(answer.body).with_status_code(answer.status);
    for (name, value) in answer.headers {
        response.add_header(tiny_http::Header::from_bytes(name, value).unwrap());
    }
    let _ = request.respond(response);
}

/// A folder of its own for one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sapwood-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
