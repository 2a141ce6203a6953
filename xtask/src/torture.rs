//! The proof at length: the command killed at random moments, the engine dropped at any await point.
//!
//! The same tests run in small with all others. Here they print their figures: kills, runs, orders, and what went wrong.

use crate::{Result, program, run};

const KILLS: &str = "200";
const SIMULATIONS: &str = "20000";

pub(crate) fn all() -> Result {
    run(tests("torture::").env("SHIPBATCH_KILLS", KILLS))?;
    run(tests("simulation::").env("SHIPBATCH_SIMULATIONS", SIMULATIONS))
}

fn tests(filter: &str) -> std::process::Command {
    program("cargo", &["test", "--quiet", "--features", "cli,schemars", "--test", "it", "--", "--nocapture", filter])
}
