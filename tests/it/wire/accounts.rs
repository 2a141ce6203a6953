//! Whom a client speaks for: accounts and tokens that cannot be, and the token's way.

use httpmock::MockServer;
use shipbatch::{Result, deftship, smartsend, xps};

const TOKEN: &str = "t0ken";

/// What a client of each vendor is built to, for this account and token.
fn build(account: &str, token: &str) -> [Result<String>; 3] {
    [
        smartsend::Client::builder(account).token(token).build().map(|client| format!("{client:?}")),
        xps::Client::builder(account).token(token).build().map(|client| format!("{client:?}")),
        deftship::Client::builder(account).token(token).build().map(|client| format!("{client:?}")),
    ]
}

#[test]
fn what_climbs_out_of_the_account_is_refused() {
    for account in ["", ".", ".."] {
        for client in build(account, TOKEN) {
            assert!(client.as_ref().is_err_and(shipbatch::Error::is_input), "{account:?}: {client:?}");
        }
    }
}

#[test]
fn a_token_that_no_header_can_hold_is_refused() {
    for token in ["", "t0ken\n", "t0ken\r\nx-admin: 1", "t0ken\0"] {
        for client in build("team-7", token) {
            let error = client.unwrap_err();
            assert!(error.is_input(), "{error:?}");
            assert!(!format!("{error:?}").contains(TOKEN), "{error:?}");
        }
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for url in ["", "app.smartsend.io", "ftp://app.smartsend.io", "https://app.smartsend.io/?a=b"] {
        let client = smartsend::Client::builder("team-7").token(TOKEN).base_url(url).build();
        assert!(client.as_ref().is_err_and(shipbatch::Error::is_input), "{url}: {client:?}");
    }
}

#[test]
fn no_client_shows_its_token() {
    for client in build("team-7", TOKEN) {
        let text = client.unwrap();
        assert!(text.contains("team-7") && !text.contains(TOKEN), "{text}");
    }
}

#[test]
fn no_builder_shows_its_token() {
    let texts = [
        format!("{:?}", smartsend::Client::builder("team-7").token(TOKEN)),
        format!("{:?}", xps::Client::builder("team-7").token(TOKEN)),
        format!("{:?}", deftship::Client::builder("team-7").token(TOKEN)),
    ];
    for text in texts {
        assert!(text.contains("team-7") && !text.contains(TOKEN), "{text}");
    }
}

#[test]
fn no_generated_client_shows_its_token() {
    let client = smartsend::Client::builder("team-7").token(TOKEN).build().unwrap();
    let text = format!("{:?}", client.raw());
    assert!(!text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn no_error_shows_the_token() {
    let server = MockServer::start();
    server.mock(|_, then| {
        then.status(401).json_body(serde_json::json!({"success": false, "message": "Unauthenticated."}));
    });
    let client = deftship::Client::builder("w").token(TOKEN).base_url(server.base_url()).build().unwrap();
    let error = client.batch("12345678").await.unwrap_err();
    assert!(error.is_auth());
    let text = format!("{error} {error:?}");
    assert!(text.contains("Unauthenticated.") && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn the_token_follows_no_redirect() {
    let (server, elsewhere) = (MockServer::start(), MockServer::start());
    let stolen = elsewhere.mock(|_, then| {
        then.status(200).json_body(serde_json::json!({"success": true, "data": {"id": "1", "status": "ready"}}));
    });
    for status in [301, 302, 303, 307, 308] {
        let mut redirect = server.mock(|_, then| {
            then.status(status).header("location", elsewhere.url("/batches/1"));
        });
        let client = deftship::Client::builder("w").token(TOKEN).base_url(server.base_url()).build().unwrap();
        let error = client.batch("1").await.unwrap_err();
        assert_eq!(error.status(), Some(status));
        redirect.assert();
        redirect.delete();
    }
    stolen.assert_calls(0);
}
