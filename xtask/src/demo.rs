//! The main job, end to end, with the real command: 1,000 sample orders at each vendor's sandbox.

use std::{fs, fs::File};

use crate::{Result, lower, program, root, run, shown};

/// Orders in each wave.
pub(crate) const ORDERS: usize = 1000;

/// Books a wave at each vendor, into `target/demo`, and holds the files against each other.
pub(crate) fn waves() -> Result {
    build()?;
    // A journal of an earlier demo knows its orders as booked, and would book none.
    let _ = fs::remove_dir_all(root().join("target/demo"));
    for vendor in lower::VENDORS {
        eprintln!();
        wave(vendor, ORDERS, "target/demo")?;
    }
    eprintln!("\nThe journals, labels and reports are in target/demo.");
    Ok(())
}

/// Builds the real command.
pub(crate) fn build() -> Result {
    run(&mut program("cargo", &["build", "--quiet", "--features", "cli", "--bin", "shipbatch"]))
}

/// Books so many orders at a vendor, into this folder.
pub(crate) fn wave(vendor: &str, count: usize, folder: &str) -> Result {
    fs::create_dir_all(root().join(folder)).map_err(|error| format!("{folder}: {error}"))?;
    let [orders, journal, labels, report, index] =
        ["orders.jsonl", "db", "pdf", "csv", "pages.csv"].map(|kind| format!("{folder}/{vendor}.{kind}"));
    sample(vendor, count, &orders)?;
    run(&mut program(
        &binary(),
        &[
            "book",
            &orders,
            "--vendor",
            vendor,
            "--journal",
            &journal,
            "--labels",
            &labels,
            "--report",
            &report,
            "--sandbox",
        ],
    ))?;
    let report = fs::read_to_string(root().join(&report)).map_err(|error| format!("{report}: {error}"))?;
    let booked = report.lines().filter(|line| line.contains(",booked,")).count();
    let index = fs::read_to_string(root().join(&index)).map_err(|error| format!("{index}: {error}"))?;
    let labelled = index.lines().skip(1).count();
    if (booked, labelled) != (count, count) {
        return Err(format!("{vendor}: {booked} rows booked and {labelled} labels for {count} orders"));
    }
    Ok(())
}

/// So many sample orders in a file.
pub(crate) fn sample(vendor: &str, count: usize, orders: &str) -> Result {
    let mut sample = program(&binary(), &["sample", "--vendor", vendor, "--count", &count.to_string()]);
    eprintln!("$ {} > {orders}", shown(&sample));
    let file = File::create(root().join(orders)).map_err(|error| format!("{orders}: {error}"))?;
    let status = sample.stdout(file).status().map_err(|error| format!("{}: {error}", shown(&sample)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(&sample))) }
}

/// Where the real command is.
pub(crate) fn binary() -> String {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    root().join(target).join("debug/shipbatch").to_string_lossy().into_owned()
}
