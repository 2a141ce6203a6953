//! All that CI runs, in one command.

use std::{fs, process::Command};

use crate::{Result, contract, demo, generate, lower, postgres, program, root, run, spec, tools};

/// The features that need nothing but a Rust toolchain, hence all that is tested: native-tls wants OpenSSL's headers.
pub(crate) const FEATURES: &str = "cli,schemars";

/// How many waves are simulated: as many as take about two minutes.
const SIMULATIONS: &str = "1000";

/// How many orders processes share that are killed.
const FLEET: &str = "5000";

/// Where a wave of more than one batch goes.
const MANY: &str = "target/ci";

/// Formatting, lints, the README's test command beside a PostgreSQL server, documentation, snapshots, independent
/// validators over the specs, what is sent and what is answered, and the demo with its PDFs, and one of 2,000 labels,
/// looked at by independent tools.
pub(crate) fn all() -> Result {
    run_cargo(&["fmt", "--all", "--check"])?;
    run_cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--features", FEATURES, "--", "-D", "warnings"])?;
    for features in [&["--no-default-features"][..], &["--no-default-features", "--features", "sqlite"], &[]] {
        run_cargo(&[&["clippy", "--quiet", "--lib"], features, &["--", "-D", "warnings"]].concat())?;
    }
    postgres::with(readme_tests()?.env("SHIPBATCH_SIMULATIONS", SIMULATIONS).env("SHIPBATCH_FLEET", FLEET))?;
    run(program("cargo", &["doc", "--quiet", "--no-deps", "--features", FEATURES]).env("RUSTDOCFLAGS", "-D warnings"))?;
    generate::check()?;
    validate()?;
    contract::all()?;
    demo::waves()?;
    lower::VENDORS.into_iter().try_for_each(|vendor| pages(vendor, demo::ORDERS, "target/demo"))?;
    let _ = fs::remove_dir_all(root().join(MANY));
    demo::wave("xps", 2000, MANY)?;
    pages("xps", 2000, MANY)
}

fn run_cargo(arguments: &[&str]) -> Result {
    run(&mut program("cargo", arguments))
}

/// The second command of the README, word for word.
fn readme_tests() -> Result<Command> {
    let readme = fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let blocks: Vec<&str> = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let tests = blocks.get(1).ok_or("README.md: there is no second command")?;
    Ok(program("sh", &["-e", "-c", tests.trim()]))
}

/// openapi-spec-validator, from PyPI: a validator that others wrote.
fn validate() -> Result {
    let validator = format!("{}/openapi-spec-validator", tools::python("openapi-spec-validator", "0.9.0")?);
    for vendor in lower::VENDORS {
        run(&mut program(&validator, &[&spec::path(vendor)]))?;
    }
    Ok(())
}

/// The labels of a wave, by tools that know nothing of us: a sound file, and a page for each order.
fn pages(vendor: &str, orders: usize, folder: &str) -> Result {
    let file = format!("{folder}/{vendor}.pdf");
    run(&mut program("qpdf", &["--check", &file]))?;
    let info = program("pdfinfo", &[&file]).output().map_err(|error| format!("pdfinfo: {error}"))?;
    let text = String::from_utf8_lossy(&info.stdout);
    let pages = text.lines().find_map(|line| line.strip_prefix("Pages:")).map(str::trim);
    if pages == Some(&orders.to_string()) {
        Ok(())
    } else {
        Err(format!("{file}: {pages:?} pages for {orders} orders"))
    }
}
