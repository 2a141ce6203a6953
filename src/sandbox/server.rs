//! The loop that serves connections. axum's own has an answer to everything; here a call may get none.

use std::{error, fmt, time::Duration};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, task::JoinSet};

/// Left in an answer's extensions: in place of the answer the connection is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoAnswer;

impl IntoResponse for NoAnswer {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed without an answer")
    }
}

impl error::Error for NoAnswer {}

/// Serves until it is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, routes: Router) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The caller is gone already, or the process has no descriptor left: others may come.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Those that have ended.
        while connections.try_join_next().is_some() {}
        let routes = TowerToHyperService::new(routes.clone());
        let service = service_fn(move |request| {
            let answer = routes.call(request);
            async move {
                match answer.await {
                    // hyper closes the connection of a service that fails.
                    Ok(answer) => answer.extensions().get::<NoAnswer>().copied().map_or(Ok(answer), Err),
                    Err(never) => match never {},
                }
            }
        });
        connections.spawn(async move {
            // A caller that hangs up, or a connection that was closed on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
