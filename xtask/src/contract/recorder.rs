//! A forward proxy that notes each call on its way. What runs under it needs to know nothing of it: an HTTP client
//! finds it in its environment.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A call, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) target: String,
    /// Their names in small letters, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sends the call to a server, and no other after it.
    pub(crate) fn send(&self, server: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(server)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "connection") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &self.body].concat())?;
        Ok(stream)
    }
}

/// The proxy, for as long as the process lives.
pub(crate) struct Recorder {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    /// Listens on a free port.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let recorder = Self { address: listener.local_addr()?, calls: Arc::default() };
        let calls = Arc::clone(&recorder.calls);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let calls = Arc::clone(&calls);
                // Whoever hangs up, on either side, has no more to say.
                thread::spawn(move || pass(stream, &calls));
            }
        });
        Ok(recorder)
    }

    /// The address for an HTTP client's environment.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Notes a call, hands it on and its answer back, byte for byte. An answer that breaks off does so on both sides.
fn pass(mut client: TcpStream, calls: &Mutex<Vec<Call>>) -> io::Result<()> {
    let (server, call) = read(&client)?;
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
    let mut answer = call.send(server)?;
    io::copy(&mut answer, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// A call, and where it is to go.
fn read(client: &TcpStream) -> io::Result<(SocketAddr, Call)> {
    let mut input = BufReader::new(client);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let wrong = || io::Error::other(format!("no call to a host: {:?}", lines.first()));
    let mut words = lines.first().ok_or_else(wrong)?.split(' ');
    let (method, url) = words.next().zip(words.next()).ok_or_else(wrong)?;
    let (host, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).ok_or_else(wrong)?;
    let server = host.replace("localhost", "127.0.0.1").parse().map_err(|_| wrong())?;
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut call = Call { method: method.to_owned(), target: format!("/{path}"), headers, body: Vec::new() };
    let length = call.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    input.take(length).read_to_end(&mut call.body)?;
    Ok((server, call))
}
