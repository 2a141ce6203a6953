//! How fast, and in how much memory, the labels of a booked XPS batch come to disk: `cargo xtask bench labels`.
//!
//! A server on this machine answers `book_batch` with 500 results and 25 MB of base64, plain or with every `/` escaped, as
//! PHP writes it. Two clients, each in a process of its own so that the peak of memory is its own: the naive one holds the
//! answer as JSON with the PDF as a string, decodes it and writes the file; the other is this crate's. Both send the same
//! request over the same HTTP client, and both leave the same file.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use shipbatch::xps;

/// Letters of base64 in the answer.
const LETTERS: usize = 25_000_000;
const ORDERS: usize = 500;
/// Each way is measured so often; the median counts.
const ROUNDS: usize = 7;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [way, url, path] if way == "naive" || way == "streamed" => client(way, url, path),
        _ => compare(),
    }
}

/// What one process measured.
#[derive(Clone, Copy)]
struct Measured {
    took: Duration,
    /// The peak of its memory over what it had before the call.
    kilobytes: u64,
}

/// Serves, and has each way measured.
fn compare() -> Result<(), Failure> {
    println!("A booking of {ORDERS} orders whose answer holds {LETTERS} letters of base64.");
    println!("Of {ROUNDS} rounds the median of the time, and the most memory.\n");
    println!("| slashes as | way | time | ratio | memory above idle |");
    println!("|---|---|---|---|---|");
    for (name, escaped) in [("`/`", false), (r"`\/`", true)] {
        let (answer, hash) = answer(escaped);
        let url = serve(answer)?;
        let [naive, streamed] = medians(&url, &hash)?;
        for (way, measured) in [("naive", naive), ("streamed", streamed)] {
            let times = naive.took.as_secs_f64() / measured.took.as_secs_f64();
            let megabytes = measured.kilobytes as f64 / 1024.0;
            println!("| {name} | {way} | {:.3} s | {times:.1} | {megabytes:.1} MB |", measured.took.as_secs_f64());
        }
    }
    Ok(())
}

/// The answer to `book_batch`, and the SHA-256 of its PDF.
fn answer(escaped: bool) -> (Vec<u8>, String) {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut state = 7_u64;
    while pdf.len() < LETTERS / 4 * 3 {
        // Numbers without a pattern, as in compressed pictures (the generator of Knuth's MMIX).
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pdf.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    let results = (0..ORDERS).map(|order| {
        format!(
            r#"{{"quoteId":{order},"status":"success","bookNumber":"{}","trackingNumber":"1Z{order:016}","lastMileTrackingNumber":null,"totalShippingCost":"8.75","zone":"4"}}"#,
            order + 2_000_000
        )
    });
    let results: Vec<String> = results.collect();
    let mut letters = BASE64_STANDARD.encode(&pdf);
    if escaped {
        letters = letters.replace('/', r"\/");
    }
    let body = format!(r#"{{"results":[{}],"labelsPdf":"{letters}","prepayBalance":"12.50"}}"#, results.join(","));
    (body.into_bytes(), hex(&pdf))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers everything with this. The address of the API.
fn serve(body: Vec<u8>) -> Result<String, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/restapi/v1", listener.local_addr()?);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that hung up has what it wanted, or tells of it itself.
            let _ = respond(connection, &body);
        }
    });
    Ok(url)
}

fn respond(mut connection: TcpStream, body: &[u8]) -> std::io::Result<()> {
    let mut request = [0; 4096];
    loop {
        let read = connection.read(&mut request)?;
        // The request ends with its JSON.
        if read == 0 || request[..read].ends_with(b"}") {
            break;
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)
}

/// Both ways in turn, so that what else the machine does hits both.
fn medians(url: &str, hash: &str) -> Result<[Measured; 2], Failure> {
    let (mut naive, mut streamed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        naive.push(measure("naive", url, hash)?);
        streamed.push(measure("streamed", url, hash)?);
    }
    Ok([naive, streamed].map(|mut rounds| {
        rounds.sort_by_key(|measured| measured.took);
        let kilobytes = rounds.iter().map(|measured| measured.kilobytes).max().unwrap_or_default();
        Measured { kilobytes, ..rounds[ROUNDS / 2] }
    }))
}

/// Runs one way in a process of its own.
fn measure(way: &str, url: &str, hash: &str) -> Result<Measured, Failure> {
    let path = env::temp_dir().join(format!("shipbatch-bench-{}.pdf", std::process::id()));
    let output = Command::new(env::current_exe()?).args([way, url]).arg(&path).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (micros, kilobytes) = text.trim().split_once(' ').ok_or_else(|| String::from_utf8_lossy(&output.stderr))?;
    let written = hex(&fs::read(&path)?);
    fs::remove_file(&path)?;
    if written != hash {
        return Err(format!("{way}: another file was written").into());
    }
    Ok(Measured { took: Duration::from_micros(micros.parse()?), kilobytes: kilobytes.parse()? })
}

/// Books, and has the PDF on disk. Prints the microseconds and kilobytes that it took.
fn client(way: &str, url: &str, path: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = xps::Client::builder("TEST00002").token("t0ken").base_url(url).build()?;
    let idle = memory("VmRSS:")?;
    let started = Instant::now();
    let results = if way == "naive" {
        let mut answer = runtime.block_on(client.book_batch(42))?;
        let pdf = BASE64_STANDARD.decode(std::mem::take(&mut answer.labels_pdf))?;
        fs::write(path, pdf)?;
        answer.results
    } else {
        let booked = runtime.block_on(client.book_batch_to(42, path))?;
        booked.labels?;
        booked.answer.results
    };
    let took = started.elapsed();
    if results.len() != ORDERS {
        return Err(format!("{} results", results.len()).into());
    }
    println!("{} {}", took.as_micros(), memory("VmHWM:")?.saturating_sub(idle));
    Ok(())
}

/// A line of what Linux says of this process's memory, in kilobytes.
fn memory(line: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|found| found.strip_prefix(line)).ok_or("no such line")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
