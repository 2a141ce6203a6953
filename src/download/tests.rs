use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::{RetryPolicy, deftship};
use progenitor_client::ClientInfo;

const FILE: &str = "%PDF-1.7 0123456789";

/// A file store that gives these answers, one after the other, and closes the connection after each.
struct Store {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Store {
    async fn giving(answers: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/labels/1.pdf?signature=abc", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        let server = tokio::spawn(async move {
            for answer in answers {
                let (connection, _) = listener.accept().await.unwrap();
                let mut connection = BufReader::new(connection);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && connection.read_line(&mut head).await.unwrap() > 0 {}
                seen.lock().unwrap().push(head.to_lowercase());
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, heads, server }
    }

    /// What came of a download, and the header lines of each request that begin so.
    async fn download(self, wanted: &str) -> (Result<String>, Vec<String>) {
        let retry = RetryPolicy { attempts: 3, first_delay: Duration::from_millis(1), ..RetryPolicy::default() };
        let client = deftship::Client::builder("main").token("s3cret").retry(retry).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.pdf");
        let result = Downloads::new().unwrap().pdf(client.raw().inner(), &self.url, &path).await;
        self.server.abort();
        let heads = self.heads.lock().unwrap().clone();
        assert!(heads.iter().all(|head| !head.contains("s3cret") && !head.contains("authorization")), "{heads:?}");
        let lines = heads.iter().map(|head| head.lines().filter(|line| line.starts_with(wanted)).collect()).collect();
        (result.map(|()| std::fs::read_to_string(&path).unwrap()), lines)
    }
}

fn reason(result: Result<String>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let store = Store::giving(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\netag: \"a\"\r\n\r\n%PDF-1.7",
        "HTTP/1.1 206 Partial Content\r\ncontent-length: 11\r\ncontent-range: bytes 8-18/19\r\netag: \"a\"\r\n\r\n 012",
        "HTTP/1.1 206 Partial Content\r\ncontent-length: 7\r\ncontent-range: bytes 12-18/19\r\n\r\n3456789",
    ])
    .await;
    let (result, ranges) = store.download("range:").await;
    assert_eq!(result.unwrap(), FILE);
    assert_eq!(ranges, ["", "range: bytes=8-", "range: bytes=12-"]);
}

#[tokio::test]
async fn a_part_is_asked_for_only_of_the_same_file() {
    let store = Store::giving(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\netag: \"a\"\r\n\r\n%PDF-1.4 old",
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\netag: \"b\"\r\n\r\n%PDF-1.7 0123456789",
    ])
    .await;
    let (result, conditions) = store.download("if-range:").await;
    assert_eq!((result.unwrap().as_str(), conditions), (FILE, vec![String::new(), "if-range: \"a\"".to_owned()]));

    // Without a tag, or with a weak one, nobody knows whether it is the same: all of it.
    for tag in [
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n%PDF-1.7 0",
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\netag: W/\"a\"\r\n\r\n%PDF-1.7 0",
    ] {
        let store = Store::giving(vec![tag, "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n%PDF-1.7 0123456789"]).await;
        let (result, ranges) = store.download("range:").await;
        assert_eq!((result.unwrap().as_str(), ranges), (FILE, vec![String::new(); 2]));
    }
}

#[tokio::test]
async fn another_part_than_asked_for_is_not_put_in() {
    let store = Store::giving(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\netag: \"a\"\r\n\r\n%PDF-1.7",
        "HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\ncontent-range: bytes 16-18/19\r\n\r\n789",
        "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n%PDF-1.7 0123456789",
    ])
    .await;
    let (result, ranges) = store.download("range:").await;
    assert_eq!(result.unwrap(), FILE);
    assert_eq!(ranges, ["", "range: bytes=8-", ""]);
}

#[tokio::test]
async fn tries_are_bounded() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n%PDF-1.7";
    let (result, requests) = Store::giving(vec![broken; 5]).await.download("get ").await;
    assert_eq!(reason(result), "the connection broke before the answer was whole after 3 attempts");
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn what_is_no_pdf_is_told_apart() {
    for (answer, said) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 6\r\n\r\n<html>",
            "the address leads to text/html, not to a PDF",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "the file is no PDF"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n%PDF", "the file is no PDF"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "the file is no PDF"),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", "the address of the file is no longer valid (HTTP 410)"),
    ] {
        let (result, requests) = Store::giving(vec![answer; 2]).await.download("get ").await;
        assert_eq!(reason(result), said);
        assert_eq!(requests.len(), 1, "{answer}: the same would come again");
    }
}

#[tokio::test]
async fn a_file_without_end_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Partial::create(&folder.path().join("1.pdf")).await.unwrap();
    let megabyte = [&b"%PDF-"[..], &[0; 1024 * 1024 - 5]].concat();
    for _ in 0..64 {
        file.add(&megabyte).await.unwrap();
    }
    assert_eq!(file.add(b"0").await.unwrap_err().to_string(), "the file is larger than 67108864 bytes");
}
