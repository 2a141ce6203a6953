//! Ctrl-C, or a TERM as a service manager sends it: the first one is a request, the second one ends the process at once.

use std::{future, io, process};

use tokio::sync::oneshot;

/// What a shell reports for a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Listens from now on. The future completes with the first Ctrl-C.
///
/// Any further one, and one that comes when the future is gone, ends the process: that is safe at any time, because the
/// journal knows what was sent.
pub(crate) fn first() -> impl Future<Output = ()> + Send {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if asked().await.is_err() {
            return;
        }
        if tell.send(()).is_ok() && asked().await.is_err() {
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

#[cfg(unix)]
async fn asked() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
