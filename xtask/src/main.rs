//! Tasks of those who work on shipbatch: `cargo xtask` lists them.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::{Command, ExitCode},
};

mod ci;
mod contract;
mod demo;
mod diff;
mod facts;
mod fuzz;
mod generate;
#[path = "../../openapi/lower.rs"]
#[allow(dead_code, reason = "build.rs and the tests use the rest")]
mod lower;
mod postgres;
mod spec;
mod tools;
mod torture;

const USAGE: &str = "\
cargo xtask generate [--check]   check the specs, generate the clients anew, refresh the snapshots (or refuse stale ones)
cargo xtask facts [VENDOR]       where each fact of the specs is from, and why what is inferred is believed
cargo xtask diff OLD NEW [--markdown]
                                 what changed between two specs (files, or REV:path), for Rust callers; fails with 2
                                 where something breaks them, and with 1 where a spec cannot be read
cargo xtask demo                 book 1,000 sample orders at each vendor's sandbox, with labels and reports as files
cargo xtask torture              kill the command 200 times for each way to book, and simulate 20,000 waves
cargo xtask contract             hold every call of the tests and every answer of the sandbox against the specs
cargo xtask fuzz [TARGET] [--minutes N]
                                 fuzz what reads foreign bytes, ten minutes each, and keep what was found as a corpus
cargo xtask postgres -- COMMAND  run a command with a PostgreSQL that goes with it, in SHIPBATCH_TEST_DATABASE_URL
cargo xtask bench [ROW…]         what the crate costs, against what one would pick instead; a row alone: calls, keys, lists,
                                 journal, growth, rate, pauses, answers, workers, builds
cargo xtask bench labels         time and memory of the labels of a booked XPS batch, against the naive way
cargo xtask ci                   all that CI runs";

type Result<T = ()> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["diff", sources @ ..] => return diff::command(sources),
        ["generate"] => generate::refresh(),
        ["generate", "--check"] => generate::check(),
        ["facts"] => facts::list(&lower::VENDORS),
        ["facts", vendor] if lower::VENDORS.contains(vendor) => facts::list(&[vendor]),
        ["demo"] => demo::waves(),
        ["torture"] => torture::all(),
        ["contract"] => contract::all(),
        ["fuzz", arguments @ ..] => fuzz::targets(arguments),
        ["postgres", "--", command, arguments @ ..] => postgres::with(&mut program(command, arguments)),
        ["bench", "labels"] => labels(),
        ["bench", rows @ ..] => bench(rows),
        ["ci"] => ci::all(),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What the crate costs, row by row, with a PostgreSQL server for the row that wants one.
fn bench(rows: &[&str]) -> Result {
    let command = ["bench", "--quiet", "--features", "sandbox,postgres", "--bench", "cost", "--"];
    let mut command = program("cargo", &[&command, rows].concat());
    if rows.is_empty() || rows.contains(&"workers") { postgres::with(&mut command) } else { run(&mut command) }
}

/// What the labels of a booked XPS batch cost, built without what they do not need.
fn labels() -> Result {
    let features = ["--no-default-features", "--features", "labels"];
    run(&mut program("cargo", &[&["bench", "--quiet"][..], &features, &["--bench", "labels"]].concat()))
}

/// The root of the repository, wherever the task was called from.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// A program with its arguments, to be run in the root.
fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Prints lines.
fn print(lines: &str) -> Result {
    write(io::stdout().lock(), lines)
}

/// Writes lines. Whoever stops reading them, as `head` does, has had enough.
fn write(mut to: impl Write, lines: &str) -> Result {
    match writeln!(to, "{lines}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

/// Runs a program, shown first, and fails if it does.
fn run(command: &mut Command) -> Result {
    eprintln!("$ {}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command))) }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let root = format!("{}/", root().display());
    words.map(|word| word.to_string_lossy().replace(&root, "")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_have_had_enough() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(write(writer, "lines"), Ok(()));
        let full: &mut [u8] = &mut [];
        assert!(write(full, "lines").is_err());
    }
}
