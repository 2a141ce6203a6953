//! Ctrl-C: the first one is a request, the second one ends the process at once.

use std::{future, process};

use tokio::{signal::ctrl_c, sync::oneshot};

/// What a shell reports for a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Listens from now on. The future completes with the first Ctrl-C.
///
/// Any further one, and one that comes when the future is gone, ends the process: that is safe at any time, because the
/// journal knows what was sent.
pub(crate) fn first() -> impl Future<Output = ()> + Send {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if ctrl_c().await.is_err() {
            return;
        }
        if tell.send(()).is_ok() && ctrl_c().await.is_err() {
            return;
        }
        process::exit(INTERRUPTED);
    });
    async {
        if told.await.is_err() {
            // Ctrl-C cannot be listened for, so it does what the system has it do.
            future::pending::<()>().await;
        }
    }
}
