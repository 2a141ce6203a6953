//! Whether a call may be sent now: asked before each time that a write goes out, where several machines might send it.
//!
//! The answer comes as late as can be: after the row at the gate, and after the waits between repeats. So nothing is held
//! longer than a call takes.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::{self, BoxFuture};
use reqwest::Request;

/// Whoever says whether a call may be sent.
pub(crate) trait Permit: Send + Sync {
    /// How long the answer may take at most.
    fn longest(&self) -> Duration;

    /// Whether the call may be sent, if its answer may take so long.
    fn ask(&self, time: Duration) -> BoxFuture<'_, bool>;
}

tokio::task_local! {
    static PERMIT: Arc<dyn Permit>;
}

/// Runs calls that ask.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only the engine asks"))]
pub(crate) async fn asking<T>(permit: Arc<impl Permit + 'static>, calls: impl Future<Output = T>) -> T {
    PERMIT.scope(permit, calls).await
}

/// Waits until a write may be sent: for ever, if it may not. Whoever gave the permit ends the wait.
pub(crate) async fn wait(request: &mut Request) {
    let Ok(permit) = PERMIT.try_with(Arc::clone) else { return };
    let time = request.timeout().copied().unwrap_or(Duration::MAX).min(permit.longest());
    *request.timeout_mut() = Some(time);
    if !permit.ask(time).await {
        future::pending::<()>().await;
    }
}
