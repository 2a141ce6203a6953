//! The main job, end to end, with the real command: 1,000 sample orders at each vendor's sandbox.

use std::{fs, fs::File, path::Path};

use crate::{Result, lower, program, root, run, shown};

/// Orders in each wave.
const ORDERS: usize = 1000;

/// Books a wave at each vendor, into `target/demo`, and holds the files against each other.
pub(crate) fn waves() -> Result {
    run(&mut program("cargo", &["build", "--quiet", "--features", "cli", "--bin", "shipbatch"]))?;
    let folder = root().join("target/demo");
    // A journal of an earlier demo knows its orders as booked, and would book none.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for vendor in lower::VENDORS {
        eprintln!();
        wave(vendor, &folder)?;
    }
    eprintln!("\nThe journals, labels and reports are in target/demo.");
    Ok(())
}

fn wave(vendor: &str, folder: &Path) -> Result {
    let [orders, journal, labels, report] =
        ["orders.jsonl", "db", "pdf", "csv"].map(|kind| format!("target/demo/{vendor}.{kind}"));
    let mut sample = program(&binary(), &["sample", "--vendor", vendor, "--count", &ORDERS.to_string()]);
    eprintln!("$ {} > {orders}", shown(&sample));
    let file = File::create(root().join(&orders)).map_err(|error| format!("{orders}: {error}"))?;
    let status = sample.stdout(file).status().map_err(|error| format!("{}: {error}", shown(&sample)))?;
    if !status.success() {
        return Err(format!("{}: {status}", shown(&sample)));
    }
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
    let index = folder.join(format!("{vendor}.pages.csv"));
    let index = fs::read_to_string(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    let labelled = index.lines().skip(1).count();
    if (booked, labelled) != (ORDERS, ORDERS) {
        return Err(format!("{vendor}: {booked} rows booked and {labelled} labels for {ORDERS} orders"));
    }
    Ok(())
}

fn binary() -> String {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    root().join(target).join("debug/shipbatch").to_string_lossy().into_owned()
}
