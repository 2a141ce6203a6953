//! What the command says of itself: help, completions, the manual.

use super::*;

const COMMANDS: [&str; 10] =
    ["book", "plan", "status", "report", "labels", "template", "sandbox", "sample", "completions", "man"];

#[test]
fn the_help_lists_the_commands() {
    let ended = Desk::in_memory().run("--help");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stdout, @"
    Book hundreds to thousands of parcels, each paid for once

    Usage: shipbatch [OPTIONS] <COMMAND>

    Commands:
      book         Book the orders of a file; start it again to go on
      plan         Say what would be booked, and check the orders; nothing is sent
      status       Say how far a wave is, from its journal
      report       Say what became of each order, from its journal: as a table, CSV, JSON Lines or an
                   HTML page
      labels       Fetch the labels of what is booked, from its journal
      template     Write the head of a sheet of orders with an example, or the JSON Schema of an order
      sandbox      Serve the three APIs on this machine, to try things on
      sample       Write orders to try with
      completions  Write what a shell needs to complete the words of this command
      man          Write the pages of the manual
      help         Print this message or the help of the given subcommand(s)

    Options:
      -v, --verbose  Log each call with its request id, and repeats, to stderr; RUST_LOG chooses what
      -h, --help     Print help
      -V, --version  Print version

    A first try, without an account:
      shipbatch sample --vendor xps --count 100 > orders.jsonl
      shipbatch plan orders.jsonl --vendor xps
      shipbatch book orders.jsonl --vendor xps --journal wave.db --sandbox --labels labels.pdf
      shipbatch report --journal wave.db --output wave.html

    Exit codes: 0 all orders are booked, 2 some are not, 1 an error stopped the run, 130 a second
    Ctrl-C.
    ");
}

#[test]
fn each_command_has_examples_that_it_takes() {
    let desk = Desk::in_memory();
    for name in COMMANDS {
        let ended = desk.run(&format!("{name} --help"));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let (_, examples) = ended.stdout.split_once("\nExamples:\n").unwrap();
        assert!(examples.starts_with(&format!("  shipbatch {name}")), "{examples}");
        assert!(examples.lines().all(|line| line.chars().count() <= 120), "{examples}");
    }
}

#[test]
fn shells_and_the_manual_know_all_commands() {
    let desk = Desk::in_memory();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = desk.run(&format!("completions {shell}"));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(COMMANDS.iter().all(|name| ended.stdout.contains(name)), "{shell}");
    }
    let ended = desk.run("man");
    assert!(COMMANDS.iter().all(|name| ended.stdout.contains(&format!("shipbatch\\-{name}(1)"))), "{}", ended.stdout);
    for name in COMMANDS {
        let ended = desk.run(&format!("man {name}"));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout.contains(&format!(".TH shipbatch-{name} 1")), "{}", ended.stdout);
    }
    insta::assert_snapshot!(desk.run("man sail").refused(), @r#"error: there is no command "sail""#);
}

#[test]
fn verbose_shows_each_call_with_its_request_id() {
    let desk = Desk::in_memory();
    desk.sample("smartsend", 2, |_, _| {});
    let ended = desk.book("smartsend", "--verbose");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for call in ["create_shipment", "book_shipment"] {
        let calls: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(&format!("\"{call}\""))).collect();
        assert_eq!(calls.len(), 2, "{call}: {}", ended.stderr);
        assert!(
            calls.iter().all(|call| call.contains("request_id=\"") && !call.contains("request_id=\"\"")),
            "{calls:?}"
        );
    }
}
