//! The typed httpmock helpers that build.rs makes from the truthful specs, every documented status among them.
//!
//! Their paths begin at the root: give the client [`base_url`](httpmock::MockServer::base_url) with nothing after it.

macro_rules! mocks {
    ($($vendor:ident),*) => {$(
        #[allow(dead_code, unreachable_pub, clippy::all, reason = "generated")]
        pub(crate) mod $vendor {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($vendor), "_mock.rs"));
        }
    )*};
}

mocks!(smartsend, xps, deftship);
