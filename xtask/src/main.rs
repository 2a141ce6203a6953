//! Tasks of those who work on shipbatch: `cargo xtask generate`, `cargo xtask demo`, `cargo xtask bench`,
//! `cargo xtask torture`, `cargo xtask postgres`, `cargo xtask ci`.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

mod ci;
mod demo;
mod generate;
#[path = "../../openapi/lower.rs"]
#[allow(dead_code, reason = "build.rs and the tests use the rest")]
mod lower;
mod postgres;
mod torture;

const USAGE: &str = "\
cargo xtask generate [--check]   check the specs, generate the clients anew, refresh the snapshots (or refuse stale ones)
cargo xtask demo                 book 1,000 sample orders at each vendor's sandbox, with labels and reports as files
cargo xtask torture              kill the command 200 times for each way to book, and simulate 20,000 waves
cargo xtask postgres -- COMMAND  run a command with a PostgreSQL that goes with it, in SHIPBATCH_TEST_DATABASE_URL
cargo xtask bench labels         time and memory of the labels of a booked XPS batch, against the naive way
cargo xtask ci                   all that CI runs";

type Result<T = ()> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["generate"] => generate::refresh(),
        ["generate", "--check"] => generate::check(),
        ["demo"] => demo::waves(),
        ["torture"] => torture::all(),
        ["postgres", "--", command, arguments @ ..] => postgres::with(&mut program(command, arguments)),
        ["bench", "labels"] => bench("labels"),
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

/// Runs a benchmark in `benches`, without what it does not need.
fn bench(name: &str) -> Result {
    run(&mut program("cargo", &["bench", "--quiet", "--no-default-features", "--features", "labels", "--bench", name]))
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
