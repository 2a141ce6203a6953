//! What the crate costs, each figure against what a user would pick instead, in one run: `cargo xtask bench`.
//!
//! Rates and memory are those of whole processes: the client of a row runs in a process of its own, and so does its server,
//! each on a core of its own where there are two. What is compared is measured in turn, so that what else the machine does
//! hits both; of several rounds the median counts. `cargo xtask bench NAME…` measures some rows only.

#[cfg(target_os = "linux")]
mod builds;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod keys;
#[cfg(target_os = "linux")]
mod lists;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod pace;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod waves;

type Failure = Box<dyn std::error::Error>;
type Result<T = ()> = std::result::Result<T, Failure>;

/// Generated code calls this for its open enums; those of the crate itself are used.
macro_rules! open_enum {
    ($($whatever:tt)*) => {};
}
pub(crate) use open_enum;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("Times and memory of processes are read as Linux gives them.");
}

#[cfg(target_os = "linux")]
fn main() -> Result {
    // Cargo's own flag for benchmarks.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["server", kind, options @ ..] => server::run(kind, options),
        ["client", kind, options @ ..] => client(kind, options),
        names => rows(names),
    }
}

/// What a process measures, and prints.
#[cfg(target_os = "linux")]
fn client(kind: &str, options: &[&str]) -> Result {
    let figures = match (kind, options) {
        ("calls", [way, url, calls]) => calls::client(way, url, calls.parse()?),
        ("keys", [count]) => keys::client(count.parse()?),
        ("list", [way, url, per_page]) => lists::client(way, url, per_page.parse()?),
        ("wave", [vendor, url, journal, orders, at_a_time]) => {
            waves::client(vendor, url, journal, orders.parse()?, at_a_time.parse()?)
        }
        ("pace", [url, calls, at_a_time, rate]) => pace::client(url, calls.parse()?, at_a_time.parse()?, rate.parse()?),
        _ => Err(format!("client {kind}: not with {options:?}").into()),
    }?;
    println!("{figures}");
    Ok(())
}

/// What a row measures, and writes into the table.
#[cfg(target_os = "linux")]
type Row = fn(&mut table::Table) -> Result;

/// Measures the rows of these names, or all of them.
#[cfg(target_os = "linux")]
fn rows(names: &[&str]) -> Result {
    let rows: [(&str, Row); 10] = [
        ("calls", calls::row),
        ("keys", keys::row),
        ("lists", lists::rows),
        ("journal", waves::journal),
        ("growth", waves::growth),
        ("rate", pace::rate),
        ("pauses", pace::pauses),
        ("answers", waves::answers),
        ("workers", waves::workers),
        ("builds", builds::rows),
    ];
    if let Some(name) = names.iter().find(|name| rows.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = rows.iter().map(|(known, _)| *known).collect();
        return Err(format!("{name}: not one of {}", known.join(", ")).into());
    }
    let mut table = table::Table::new();
    for (name, row) in rows {
        if names.is_empty() || names.contains(&name) {
            row(&mut table)?;
        }
    }
    table.end()
}
