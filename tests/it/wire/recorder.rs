//! A server that keeps the request it answers.

use std::sync::{Arc, Mutex};

use httpmock::{HttpMockRequest, HttpMockResponse, MockServer};
use serde_json::Value;

/// The headers that a vendor acts on, in the order of the snapshots.
const SHOWN: [&str; 7] =
    ["authorization", "accept", "content-type", "user-agent", "idempotency-key", "prefer", "request-id"];

pub(super) struct Recorder {
    server: MockServer,
    seen: Arc<Mutex<Vec<HttpMockRequest>>>,
}

impl Recorder {
    /// Answers whatever comes with 200 and this body.
    pub(super) fn answering(body: &Value) -> Self {
        let server = MockServer::start();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sink, body) = (Arc::clone(&seen), body.to_string());
        server.mock(|_, then| {
            then.respond_with(move |request| {
                sink.lock().unwrap().push(request.clone());
                HttpMockResponse::builder()
                    .status(200)
                    .header("content-type", "application/json")
                    .body(body.as_str())
                    .build()
            });
        });
        Self { server, seen }
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// The one request that came.
    pub(super) fn request(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let [request] = seen.as_slice() else { panic!("{} requests came", seen.len()) };
        let headers = request.headers();
        assert!(!headers.contains_key("api-version"), "progenitor's own header reached the vendor");
        let shown = SHOWN.iter().filter_map(|name| Some((name, headers.get(*name)?.to_str().unwrap())));
        let headers: String = shown.map(|(name, value)| format!("{name}: {}\n", redacted(name, value))).collect();
        let target = request.uri().path_and_query().unwrap().to_string();
        format!("{} {target}\n{headers}{}", request.method(), pretty(&request.body_string()))
    }
}

/// What differs from run to run or from release to release.
fn redacted(name: &str, value: &str) -> String {
    match name {
        "request-id" => "<id>".to_owned(),
        "user-agent" => value.replace(env!("CARGO_PKG_VERSION"), "<version>"),
        _ => value.to_owned(),
    }
}

fn pretty(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(json) => format!("\n{json:#}"),
        Err(_) => body.to_owned(),
    }
}
