//! What it takes to build: a clean debug build of the library, beside one of what a client by hand needs.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Result, measure::children, table::Table};

/// What one has anyway who calls an API in JSON.
const PLAIN: &str = r#"[package]
name = "plain"
version = "0.0.0"
edition = "2024"

[dependencies]
reqwest = { version = "0.13", default-features = false, features = ["json", "rustls"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt"] }

[profile.dev]
debug = "line-tables-only"

[workspace]
"#;

pub(crate) fn rows(table: &mut Table) -> Result {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("src"))?;
    fs::write(folder.path().join("src/lib.rs"), "")?;
    fs::write(folder.path().join("Cargo.toml"), PLAIN)?;
    // The same versions of the same crates.
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock"))?;
    let plain = build(folder.path(), &[])?;
    for (name, features) in [("default features", &[][..]), ("no features", &["--no-default-features"])] {
        let built = build(root, features)?;
        let measured = format!("{built}: {:.1} times the CPU time", built.cpu / plain.cpu);
        let what = format!("a clean debug build, {name}");
        table.line(&what, &measured, &format!("{plain}, plain reqwest, serde and tokio"), "", true);
    }
    Ok(())
}

struct Built {
    crates: usize,
    seconds: f64,
    cpu: f64,
}

impl std::fmt::Display for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} crates, {:.0} s, {:.0} s CPU", self.crates, self.seconds, self.cpu)
    }
}

fn build(package: &Path, features: &[&str]) -> Result<Built> {
    let tree = cargo(package, "tree", features).args(["-e", "normal,build", "--prefix", "none"]).output()?;
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    let crates: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let target = tempfile::tempdir()?;
    let mut command = cargo(package, "build", features);
    command.args(["--quiet", "--lib", "--target-dir"]).arg(target.path());
    let (status, seconds, cpu) = children(&mut command)?;
    if status.success() { Ok(Built { crates: crates.len(), seconds, cpu }) } else { Err(format!("{status}").into()) }
}

fn cargo(package: &Path, task: &str, features: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    // What this process was given by the cargo that runs it is about another build.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS").env("CARGO_INCREMENTAL", "0");
    command.current_dir(package).arg(task).args(features).stdin(Stdio::null());
    command
}
