//! The integration tests: one binary, hence linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../openapi/lower.rs"]
#[allow(dead_code, reason = "the rest is for build.rs and xtask")]
mod lower;

#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod by_hand;
#[cfg(feature = "cli")]
mod cli;
mod examples;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod faults;
#[cfg(feature = "sqlite")]
mod journal;
mod lowering;
mod mocks;
#[cfg(all(feature = "sandbox", feature = "postgres"))]
mod postgres;
mod spec;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod waves;
mod wire;
