//! What reads foreign bytes, fuzzed by libFuzzer from the corpus in `tests/fuzz`, which `cargo test` replays.
//!
//! The targets are tests that bolero makes. This does what cargo-bolero does, but builds only the two programs that have
//! targets: it would build all tests of the package.

use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Result, USAGE, program, root, run, shown};

/// How long each target is fuzzed, in minutes.
const MINUTES: u64 = 10;
/// How long an input is at most, in bytes, that is kept: the repository is to have many of them.
const SHORT: u64 = 256;
/// Where all that is built and found goes.
const FOLDER: &str = "target/fuzz";

/// A test that can be fuzzed.
struct Target {
    /// Its folder in `tests/fuzz`.
    name: &'static str,
    /// What it is part of, as Cargo calls it.
    part: &'static str,
    test: &'static str,
}

const TARGETS: [Target; 5] = [
    Target { name: "answers", part: "lib", test: "vendor::fuzz::an_answer_is_read_or_an_error_that_can_be_shown" },
    Target { name: "labels", part: "lib", test: "spool::tests::an_answer_is_read_the_same_however_it_is_cut" },
    Target { name: "retry_after", part: "lib", test: "retry::tests::a_wait_is_bounded_whatever_is_asked_for" },
    Target { name: "json_lines", part: "bin", test: "orders::fuzz::each_line_of_json_is_an_order_or_bad" },
    Target { name: "sheet", part: "bin", test: "orders::fuzz::each_line_of_a_sheet_is_an_order_or_bad" },
];

/// libFuzzer's counters at each branch and each comparison: the flags of cargo-bolero.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module --cfg fuzzing_libfuzzer \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
                     -Cllvm-args=-sanitizer-coverage-stack-depth";

/// Fuzzes one target or all of them.
pub(crate) fn targets(arguments: &[&str]) -> Result {
    let (name, minutes) = match arguments {
        [] => (None, MINUTES),
        ["--minutes", minutes] => (None, number(minutes)?),
        [name] => (Some(*name), MINUTES),
        [name, "--minutes", minutes] => (Some(*name), number(minutes)?),
        _ => return Err(USAGE.to_owned()),
    };
    let chosen: Vec<&Target> = TARGETS.iter().filter(|target| name.is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        let names = TARGETS.map(|target| target.name).join(", ");
        return Err(format!("{}: the targets are {names}", name.unwrap_or_default()));
    }
    let programs = programs()?;
    chosen.into_iter().try_for_each(|target| {
        let program = programs.get(target.part).ok_or_else(|| format!("{}: Cargo built no tests", target.part))?;
        target.fuzz(program, minutes)
    })
}

fn number(minutes: &str) -> Result<u64> {
    // To libFuzzer none is for ever.
    minutes.parse().map(NonZeroU64::get).map_err(|error| format!("--minutes {minutes}: {error}"))
}

/// The test programs, by what they are part of.
fn programs() -> Result<BTreeMap<String, String>> {
    let host = host()?;
    let mut build =
        program("cargo", &["test", "--no-run", "--profile", "fuzz", "--features", "cli", "--lib", "--bins"]);
    // With a target of its own, build scripts and macros are built without the flags.
    build.args(["--target", &host, "--target-dir", FOLDER, "--message-format", "json-render-diagnostics"]);
    build.env("RUSTFLAGS", FLAGS).env("BOLERO_FUZZER", "libfuzzer");
    eprintln!("$ {}", shown(&build));
    let built = build.stderr(Stdio::inherit()).output();
    let built = built.map_err(|error| format!("{}: {error}", shown(&build)))?;
    if !built.status.success() {
        return Err(format!("{}: {}", shown(&build), built.status));
    }
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let part = |message: Value| {
        let program = message["executable"].as_str()?.to_owned();
        Some((message["target"]["kind"][0].as_str()?.to_owned(), program))
    };
    Ok(messages.filter(|message| message["profile"]["test"] == true).filter_map(part).collect())
}

/// The platform that rustc builds for.
fn host() -> Result<String> {
    let version = program("rustc", &["-vV"]).output().map_err(|error| format!("rustc: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV: no host".to_owned())
}

impl Target {
    /// Fuzzes for so long, then keeps of what was found what reaches something new. An input that fails is left in
    /// `crashes`, where `cargo test` finds it, for as long as it is there.
    fn fuzz(&self, program: &str, minutes: u64) -> Result {
        let Self { name, .. } = self;
        let [corpus, crashes] = ["corpus", "crashes"].map(|folder| format!("tests/fuzz/{name}/{folder}"));
        let [found, least] = ["found", "least"].map(|folder| format!("{FOLDER}/{folder}/{name}"));
        let _ = fs::remove_dir_all(root().join(&least));
        for folder in [&corpus, &crashes, &found, &least] {
            fs::create_dir_all(root().join(folder)).map_err(|error| format!("{folder}: {error}"))?;
        }
        let seconds = format!("-max_total_time={}", minutes * 60);
        let artifacts = format!("-artifact_prefix={crashes}/");
        let fuzzed = run(&mut self
            .libfuzzer(program, &[&found, &corpus, &seconds, &artifacts, "-timeout=10", "-print_final_stats=1"]));
        // It goes only if there is nothing in it.
        let _ = fs::remove_dir(root().join(&crashes));
        fuzzed?;
        run(&mut self.libfuzzer(program, &["-set_cover_merge=1", "-use_counters=0", &least, &corpus, &found]))?;
        keep(&root().join(&least), &root().join(&corpus)).map_err(|error| format!("{corpus}: {error}"))
    }

    /// The test as libFuzzer runs it.
    fn libfuzzer(&self, test_program: &str, arguments: &[&str]) -> Command {
        let mut command = program(test_program, &[self.test, "--exact", "--nocapture", "--quiet"]);
        command.args(["--test-threads", "1"]);
        command.env("BOLERO_TEST_NAME", self.test).env("BOLERO_LIBTEST_HARNESS", "1");
        command.env("BOLERO_LIBFUZZER_ARGS", arguments.join(" "));
        command
    }
}

/// The least that reaches all that was found takes the place of what was kept before, as far as it is short. What is long
/// was written by hand, and stays.
fn keep(least: &Path, corpus: &Path) -> io::Result<()> {
    for input in short(corpus)? {
        fs::remove_file(input)?;
    }
    for input in short(least)? {
        fs::copy(&input, corpus.join(input.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// The short files of a folder.
fn short(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut short = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.metadata()?.len() <= SHORT {
            short.push(entry.path());
        }
    }
    Ok(short)
}
