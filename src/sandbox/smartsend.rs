//! Stub.
use super::World;
use axum::Router;
use std::sync::Arc;
#[derive(Default)]
pub(super) struct State {}
pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
}
