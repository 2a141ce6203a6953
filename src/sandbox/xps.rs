//! Stub.
use std::sync::Arc;
use axum::Router;
use super::World;
#[derive(Default)]
pub(super) struct State {}
pub(super) fn routes() -> Router<Arc<World>> { Router::new() }
