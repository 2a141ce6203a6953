//! `plan`: what would be booked, and nothing leaves.

use super::{journal::steady, *};

#[test]
fn a_plan_says_what_would_be_sent_and_needs_no_account() {
    let desk = Desk::in_memory();
    desk.sample("xps", 1200, |_, _| {});
    let ended = desk.run("plan orders.jsonl --vendor xps");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(steady(&ended.stdout), @"
    orders.jsonl: 1200 orders for xps
         1200 would be sent, in 3 units of up to 500
    nothing was sent; to book: shipbatch book orders.jsonl --vendor xps --journal JOURNAL
    ");
    let ended = desk.run("plan orders.jsonl --vendor xps --journal none.db --unit-size 100");
    assert!(ended.stdout.contains("     1200 would be sent, in 12 units of up to 100\n"), "{}", ended.stdout);
    assert!(!desk.path().join("none.db").exists());

    desk.sample("deftship", 30, |_, _| {});
    let lines = desk.read("orders.jsonl").replacen("USPS-3", "UPS-03", 7);
    desk.write("orders.jsonl", lines);
    let ended = desk.run("plan orders.jsonl --vendor deftship");
    insta::assert_snapshot!(steady(&ended.stdout), @"
    orders.jsonl: 30 orders for deftship
           30 would be sent, in 2 units of up to 1000
                7 by 123 UPS-03
               23 by 123 USPS-3
    nothing was sent; to book: shipbatch book orders.jsonl --vendor deftship --journal JOURNAL
    ");
}

#[test]
fn a_plan_knows_what_the_journal_knows() {
    let desk = Desk::in_memory();
    desk.sample("xps", 5, |place, shipment| {
        if place == 1 {
            set(shipment, "/receiver/zip", "1".into())
        }
    });
    assert_eq!(desk.book("xps", "--faults xps.book_batch:hang@1 --deadline 1s --timeout 2s --doubt 1s").code, Some(2));
    let ended = desk.run("plan orders.jsonl --vendor xps --journal wave.db");
    assert_eq!(ended.code, Some(2), "the zip is still bad");
    insta::assert_snapshot!(steady(&ended.stdout), @"
    orders.jsonl: 5 orders for xps
            1 would be sent, in 1 unit of up to 500
                1 again, as revision 1
            4 in doubt, in 1 unit: the vendor would be asked first
    1 order that the vendor would refuse
      line 2, order WAVE-000002: receiver.zip: required: 5 or 9 digits in the US
    nothing was sent; to book: shipbatch book orders.jsonl --vendor xps --journal wave.db
    ");

    let desk = Desk::in_memory();
    desk.sample("xps", 5, |place, shipment| {
        if place == 1 {
            set(shipment, "/receiver/zip", "00000".into())
        }
    });
    assert_eq!(desk.book("xps", "").code, Some(2));
    desk.sample("xps", 6, |_, _| {});
    let ended = desk.run("plan orders.jsonl --vendor xps --journal wave.db");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    insta::assert_snapshot!(steady(&ended.stdout), @"
    orders.jsonl: 6 orders for xps
            2 would be sent, in 1 unit of up to 500
                1 again, as revision 1
            4 booked before, and would be skipped
    nothing was sent; to book: shipbatch book orders.jsonl --vendor xps --journal wave.db
    ");
    let ended = desk.run("plan orders.jsonl --vendor xps --journal wave.db --account another");
    assert!(ended.stdout.contains("        6 would be sent"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_sent_is_listed_whole() {
    for (vendor, spoil) in [
        ("smartsend", json!({"/parties/receiver/address/country": "Denmark", "/parcels": []})),
        ("xps", json!({"/receiver/country": "US", "/receiver/zip": "1", "/sender/name": " ", "/currency": "usd"})),
        ("deftship", json!({"/to_address/state": null, "/from_address/telephone": "1", "/package_list/0/weight": 0})),
    ] {
        let desk = Desk::in_memory();
        desk.sample(vendor, 3, |place, shipment| {
            if place == 1 {
                spoil.as_object().unwrap().iter().for_each(|(path, value)| set(shipment, path, value.clone()));
            }
        });
        let orders = desk.read("orders.jsonl");
        desk.write(
            "orders.jsonl",
            format!("{orders}{}{{\n", orders.lines().next().map(|line| format!("{line}\n")).unwrap()),
        );
        let ended = desk.run(&format!("plan orders.jsonl --vendor {vendor}"));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
        let json = desk.run(&format!("plan orders.jsonl --vendor {vendor} --json")).stdout;
        let plan: Value = serde_json::from_str(&json).unwrap();
        assert_eq!([&plan["orders"], &plan["bad_lines"], &plan["refused"]], [&json!(3), &json!(2), &json!(1)]);
        let listed =
            plan["problems"].as_array().unwrap().iter().map(|problem| format!("  {}\n", problem.as_str().unwrap()));
        assert!(listed.into_iter().all(|problem| ended.stdout.contains(&problem)), "{json}");
        let told = steady(&ended.stdout);
        match vendor {
            "smartsend" => insta::assert_snapshot!(told, @"
            orders.jsonl: 3 orders for smartsend
                    3 would be sent, in 3 units of up to 1
            2 bad lines: nothing is sent while there are any
              line 4: order_id: WAVE-000001 is also in line 1
              line 5: EOF while parsing an object (column 1)
            1 order that the vendor would refuse
              line 2, order WAVE-000002: parties.receiver.address.country: required: two capital letters, such as US
              line 2, order WAVE-000002: parcels: required: at least one
            nothing was sent; repair these first
            "),
            "xps" => insta::assert_snapshot!(told, @"
            orders.jsonl: 3 orders for xps
                    3 would be sent, in 1 unit of up to 500
            2 bad lines: nothing is sent while there are any
              line 4: order_id: WAVE-000001 is also in line 1
              line 5: EOF while parsing an object (column 1)
            1 order that the vendor would refuse
              line 2, order WAVE-000002: sender.name: required: a text that is not empty
              line 2, order WAVE-000002: receiver.zip: required: 5 or 9 digits in the US
              line 2, order WAVE-000002: currency: required: three capital letters
            nothing was sent; repair these first
            "),
            _ => insta::assert_snapshot!(told, @"
            orders.jsonl: 3 orders for deftship
                    3 would be sent, in 1 unit of up to 1000
            2 bad lines: nothing is sent while there are any
              line 4: order_id: WAVE-000001 is also in line 1
              line 5: EOF while parsing an object (column 1)
            1 order that the vendor would refuse
              line 2, order WAVE-000002: from_address.telephone: required: 10 to 15 digits
              line 2, order WAVE-000002: to_address.state: required: the state or province, in the US and Canada
              line 2, order WAVE-000002: package_list.0.weight: required: above zero
            nothing was sent; repair these first
            "),
        }
    }
}

/// The file is larger than all the memory that a plan may take.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_orders_are_planned_in_little_memory() {
    let desk = Desk::in_memory();
    desk.sample("xps", 100, |_, _| {});
    let sample = desk.read("orders.jsonl");
    let mut orders = String::new();
    for copy in 0..1000 {
        orders.push_str(&sample.replace("\"order_id\":\"WAVE", &format!("\"order_id\":\"{copy}")));
    }
    assert!(orders.len() > 80_000_000);
    desk.write("orders.jsonl", orders);
    let mut child = desk.command("plan orders.jsonl --vendor xps").stdout(Stdio::piped()).spawn().unwrap();
    let (mut peak, status) = (0, format!("/proc/{}/status", child.id()));
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim_end_matches("kB");
        peak = peak.max(line.trim().parse::<u64>().unwrap_or_default());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert!(ended.stdout.contains("   100000 would be sent, in 200 units of up to 500\n"), "{}", ended.stdout);
    assert!((1..64_000).contains(&peak), "{peak} kB");
}
