//! A server that does with each request what was written down before, broken connections and silence among it: what no
//! mock of an HTTP server does.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
};

/// What to do with a request, once all of it has come.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Answers.
    Answer { status: u16, headers: Vec<(&'static str, &'static str)>, body: String },
    /// Closes the connection without a word.
    Drop,
    /// Answers 200, and closes the connection in the middle of the body.
    BreakOff,
    /// Says nothing for as long as the client waits.
    Hang,
}

/// An answer with this body, or with `null` for none.
pub(super) fn answer(status: u16, body: &Value) -> Step {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Step::Answer { status, headers: vec![("content-type", "application/json")], body }
}

impl Step {
    /// The same answer with one header more.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let Self::Answer { headers, .. } = &mut self else { panic!("{self:?} has no headers") };
        headers.push((name, value));
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) arrived: Instant,
    /// The request line and the headers.
    pub(super) head: String,
    pub(super) body: String,
}

impl Request {
    /// Method and target.
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find_map(|(header, value)| header.eq_ignore_ascii_case(name).then(|| value.trim()))
    }

    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let mut request = Self { arrived: Instant::now(), head, body: String::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        stream.take(length).read_to_string(&mut request.body).await.ok()?;
        Some(request)
    }
}

/// An address that refuses every connection, until it is opened.
pub(super) struct Closed {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Closed {
    pub(super) fn new() -> Self {
        // Bound but not listened on: refused, and yet nobody else's.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes connections from now on, and plays these steps.
    pub(super) fn open(self, steps: impl IntoIterator<Item = Step>) -> Script {
        let script = Script { address: self.address, play: Arc::default() };
        script.play(steps);
        let (listener, play) = (self.socket.listen(64).unwrap(), Arc::clone(&script.play));
        // It ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&play)));
            }
        });
        script
    }
}

/// A server at work.
pub(super) struct Script {
    address: SocketAddr,
    play: Arc<Mutex<Play>>,
}

/// What is to be done, and what came.
#[derive(Default)]
struct Play {
    steps: Vec<Step>,
    seen: Vec<Request>,
}

impl Script {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Closed::new().open(steps)
    }

    /// Begins anew with these steps, and forgets what came. Each operation, told by its request line, goes through them
    /// by itself, one step for each request; the last step is for all further ones.
    pub(super) fn play(&self, steps: impl IntoIterator<Item = Step>) {
        *self.play.lock().unwrap() = Play { steps: steps.into_iter().collect(), seen: Vec::new() };
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that have come, in their order.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.play.lock().unwrap().seen.clone()
    }
}

impl Play {
    fn next(&mut self, request: Request) -> Step {
        let before = self.seen.iter().filter(|seen| seen.line() == request.line()).count();
        self.seen.push(request);
        self.steps.get(before).or(self.steps.last()).unwrap().clone()
    }
}

/// One request for each connection, so that none is sent over a connection that is just being closed.
async fn serve(stream: TcpStream, play: Arc<Mutex<Play>>) {
    let mut stream = BufReader::new(stream);
    let Some(request) = Request::read(&mut stream).await else { return };
    let step = play.lock().unwrap().next(request);
    let text = match step {
        Step::Answer { status, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            format!("HTTP/1.1 {status} \r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        }
        Step::BreakOff => {
            "HTTP/1.1 200 \r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"data\":".to_owned()
        }
        Step::Drop => return,
        Step::Hang => pending().await,
    };
    // A client that has gone away need not hear it.
    let _ = stream.write_all(text.as_bytes()).await;
}
