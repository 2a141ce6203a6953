//! The integration tests, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod journal;
#[cfg(all(feature = "sandbox", feature = "sqlite"))]
mod waves;
