//! The integration tests: one binary, hence linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../openapi/lower.rs"]
#[allow(dead_code, reason = "the rest is for build.rs and xtask")]
mod lower;

#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod by_hand;
#[cfg(feature = "cli")]
mod cli;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod damage;
mod examples;
mod facts;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod faults;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod invariants;
#[cfg(feature = "sqlite")]
mod journal;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod labels;
mod lowering;
mod mocks;
#[cfg(all(feature = "sandbox", feature = "postgres"))]
mod postgres;
mod round_trips;
#[cfg(feature = "schemars")]
mod schemas;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod scratch;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod simulation;
mod spec;
#[cfg(all(feature = "cli", unix))]
mod torture;
mod types;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod waves;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod ways;
mod wire;
