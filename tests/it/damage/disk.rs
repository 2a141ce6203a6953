//! A disk that is full: the run ends with a clear error, and goes on when there is room again.

use std::process::{Command, Stdio};

use fastrand::Rng;
use shipbatch::{Vendor, sandbox::Sandbox};

use crate::{
    cli::{Desk, Ended},
    invariants::Evidence,
};

const ORDERS: usize = 60;

/// Books at this sandbox; no file may be longer than so many blocks.
fn book(desk: &Desk, sandbox: &Sandbox, blocks: Option<u32>) -> Ended {
    let address = sandbox.base_url(Vendor::Xps);
    let arguments = "book orders.jsonl --vendor xps --journal wave.db --unit-size 5 --poll 5ms --doubt 200ms";
    let binary = desk.command(&format!("{arguments} --base-url {address}"));
    let mut command = match blocks {
        None => binary,
        Some(blocks) => {
            // Ignored, the signal leaves the write to fail, as on a full disk.
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
            command.arg(binary.get_program()).args(binary.get_args()).current_dir(desk.path());
            command
        }
    };
    command.env("XPS_API_KEY", Sandbox::TOKEN).env("XPS_CUSTOMER_ID", "team-7").env_remove("XPS_BASE_URL");
    command.stdin(Stdio::null()).output().unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_stops_the_wave_before_anything_unwritten_is_sent() {
    let (mut dice, mut said) = (Rng::with_seed(7), Vec::new());
    for _ in 0..6 {
        let (desk, sandbox) = (Desk::in_memory(), Sandbox::builder().seed(7).start().await.unwrap());
        desk.sample("xps", ORDERS, |_, _| {});
        let journal = desk.path().join("wave.db");
        let blocks = dice.u32(0..260);
        let ended = book(&desk, &sandbox, Some(blocks));
        assert_eq!(ended.code, Some(1), "{blocks} blocks: {}{}", ended.stdout, ended.stderr);
        said.push(ended.stderr.lines().last().unwrap_or_default().to_owned());
        let evidence = Evidence::gather(&sandbox, Vendor::Xps, journal.to_str().unwrap()).await;
        evidence.at_a_stop().assert_none(&format!("{blocks} blocks"));

        let ended = book(&desk, &sandbox, None);
        assert_eq!(ended.code, Some(0), "{blocks} blocks: {}{}", ended.stdout, ended.stderr);
        let ledger = sandbox.ledger();
        assert_eq!((ledger.orders(), ledger.charged_twice()), (ORDERS, 0), "{blocks} blocks");
    }
    // SQLite has several codes for it, by what it was writing.
    let code = regex::Regex::new(r"\(code: \d+\)").unwrap();
    let mut said: Vec<_> = said.iter().map(|line| code.replace(line, "(code: N)")).collect();
    said.sort();
    said.dedup();
    insta::assert_snapshot!(said.join("\n"), @"
    error: journal wave.db: error returned from database: (code: N) disk I/O error
    error: journal wave.db: it cannot be set up: while executing migrations: error returned from database: (code: N) disk I/O error
    ");
}
