//! The labels of whole waves: a page for each booked order, in the caller's order, and none missing in silence.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use shipbatch::{
    Account, Builder, Journal, LabelIndex, LabelSource, Order, Report, RetryPolicy, Vendor, deftship, sandbox::Sandbox,
    smartsend, xps,
};

use crate::waves::{deftship_shipment, orders, polling, sandbox, smartsend_shipment, xps_shipment};

/// A client that repeats at once, and a sandbox in which things go wrong.
async fn with_faults(faults: &str) -> Sandbox {
    Sandbox::builder().seed(7).faults(faults.parse().unwrap()).start().await.unwrap()
}

fn eager<C: Account>(builder: Builder<C>, sandbox: &Sandbox, vendor: Vendor) -> C {
    let retry = RetryPolicy { attempts: 3, first_delay: Duration::from_millis(1), ..RetryPolicy::default() };
    builder.token(Sandbox::TOKEN).base_url(sandbox.base_url(vendor)).retry(retry).build().unwrap()
}

async fn smartsend_wave(sandbox: &Sandbox, count: usize) -> (smartsend::Client, Report) {
    let client = eager(smartsend::Client::builder("team-7"), sandbox, Vendor::SmartSend);
    let orders = orders(count, |number| {
        let mut shipment = smartsend_shipment("5000");
        if number == 2 {
            // An order of two parcels has two labels.
            let parcel = shipment["parcels"][0].clone();
            shipment["parcels"].as_array_mut().unwrap().push(parcel);
        }
        shipment
    });
    let journal = Journal::in_memory().await.unwrap();
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    assert_eq!(report.counts().booked, count);
    (client, report)
}

async fn xps_wave(sandbox: &Sandbox, count: usize, unit: usize) -> (xps::Client, Report) {
    let client = eager(xps::Client::builder("TEST00002"), sandbox, Vendor::Xps);
    let orders = orders(count, |_| xps_shipment("84601"));
    let journal = Journal::in_memory().await.unwrap();
    let report = client.book(&orders, &journal).unit_size(unit).polling(polling()).run().await.unwrap();
    assert_eq!(report.counts().booked, count);
    (client, report)
}

async fn deftship_wave(sandbox: &Sandbox, count: usize) -> (deftship::Client, Report) {
    let client = eager(deftship::Client::builder("main"), sandbox, Vendor::Deftship);
    let orders = orders(count, |_| deftship_shipment("90001", "5559876543"));
    let journal = Journal::in_memory().await.unwrap();
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    assert_eq!(report.counts().booked, count);
    (client, report)
}

/// The orders without a label, and why, once each.
fn missing(index: &LabelIndex) -> (Vec<String>, BTreeSet<String>) {
    for (order, error) in index.missing() {
        assert_eq!(error.order(), Some(order));
    }
    let orders = index.missing().map(|(order, _)| order.to_string()).collect();
    (orders, index.missing().map(|(_, error)| error.to_string()).collect())
}

/// The pages of a file of labels that the index names are those of its orders, in the caller's order, and all there are.
fn assert_index(report: &Report, index: &LabelIndex, path: &Path) {
    let pdf = lopdf::Document::load(path).unwrap();
    let labelled: BTreeSet<&str> = index.iter().map(|label| label.order.as_str()).collect();
    let lost: BTreeSet<&str> = index.missing().map(|(order, _)| order.as_str()).collect();
    let booked = report.iter().filter_map(|(order, outcome)| Some((order, outcome.booked()?)));
    let booked: Vec<_> = booked.filter(|(order, _)| !lost.contains(order.as_str())).collect();
    assert_eq!((booked.len(), labelled.len()), (index.iter().len(), index.iter().len()));
    // Asked for its text by number, the file would be walked through for each page.
    let texts: Vec<String> = pdf.page_iter().map(|page| printed(&pdf, page)).collect();
    let mut next = 1;
    for ((order, booked), label) in booked.iter().zip(index.iter()) {
        assert_eq!((*order, &*label.path, label.page), (&label.order, path, next));
        assert_eq!(label.pages, booked.tracking.len(), "{order}");
        for (page, tracking) in (label.page..).zip(&booked.tracking) {
            let text = &texts[page - 1];
            assert!(text.contains(tracking.as_str()), "{order}: {text}");
        }
        next += label.pages;
    }
    assert_eq!(texts.len(), next - 1);
}

/// What stands on a page of the sandbox's labels.
fn printed(pdf: &lopdf::Document, page: lopdf::ObjectId) -> String {
    String::from_utf8_lossy(&pdf.get_page_content(page)).into_owned()
}

/// A wave's labels: a page for each booked order, in the caller's order, with its tracking number on it.
pub(crate) async fn assert_labels<C: LabelSource>(report: &Report, client: &C) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.pdf");
    let index = report.labels(client).write_pdf(&path).await.unwrap();
    assert_eq!(missing(&index), (vec![], BTreeSet::new()));
    assert_eq!(index.iter().len(), report.counts().booked);
    assert_index(report, &index, &path);
    let table = fs::read_to_string(folder.path().join("labels.pages.csv")).unwrap();
    assert_eq!(table.lines().count(), report.counts().booked + 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

/// Labels with a fault: those of these orders are missing, each for this reason, and all others are there; asked for
/// again, all are.
async fn assert_completed_later<C: LabelSource>(report: &Report, client: &C, lost: &[&str], reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.pdf");
    let index = report.labels(client).write_pdf(&path).await.unwrap();
    let (orders, reasons) = missing(&index);
    if lost == ["any"] {
        assert_eq!(orders.len(), 1, "{orders:?}");
    } else {
        assert_eq!(orders, lost);
    }
    assert!(reasons.len() == 1 && reasons.iter().all(|said| said.contains(reason)), "{reasons:?}");
    if index.iter().len() > 0 {
        assert_index(report, &index, &path);
    } else {
        assert!(!path.exists(), "without a label there is no file");
    }
    assert_labels(report, client).await;
}

#[tokio::test]
async fn labels_come_in_the_callers_order() {
    let sandbox = sandbox().await;
    let (client, report) = smartsend_wave(&sandbox, 60).await;
    assert_labels(&report, &client).await;

    let journal = Journal::in_memory().await.unwrap();
    let client = eager(xps::Client::builder("TEST00002"), &sandbox, Vendor::Xps);
    let wave = orders(25, |number| xps_shipment(if number == 4 { "00000" } else { "84601" }));
    let booking = client.book(&wave, &journal).unit_size(10);
    assert_labels(&booking.polling(polling()).run().await.unwrap(), &client).await;

    let client = eager(deftship::Client::builder("main"), &sandbox, Vendor::Deftship);
    let wave = orders(130, |number| {
        // Two services, so that the pages of two batches alternate.
        let mut shipment = deftship_shipment(if number == 9 { "00000" } else { "90001" }, "5559876543");
        shipment["service"] = format!("USPS-{}", 1 + number % 2).into();
        shipment
    });
    assert_labels(&client.book(&wave, &journal).polling(polling()).run().await.unwrap(), &client).await;
}

#[tokio::test]
async fn two_thousand_labels_are_each_there_once() {
    let sandbox = sandbox().await;
    let (client, report) = xps_wave(&sandbox, 2000, 500).await;
    assert_labels(&report, &client).await;
}

/// The label that a batch's PDF lacks is fetched by itself, and no other is.
#[tokio::test]
async fn a_label_missing_from_a_batch_is_fetched_by_itself() {
    let sandbox = with_faults("xps.get_batch_labels:missing-label,xps.get_label:slow(1)@2").await;
    let (client, report) = xps_wave(&sandbox, 12, 12).await;
    assert_labels(&report, &client).await;
    assert_eq!(sandbox.faults_injected(), 1, "one label was fetched by itself");

    let faults = "deftship.get_file:missing-label@1,deftship.get_parcel_by_tracking_number:slow(1)@2";
    let sandbox = with_faults(faults).await;
    let (client, report) = deftship_wave(&sandbox, 105).await;
    assert_labels(&report, &client).await;
    assert_eq!(sandbox.faults_injected(), 1, "one label was fetched by itself");
}

#[tokio::test]
async fn a_label_that_cannot_be_had_is_named_and_comes_later() {
    let sandbox = with_faults("xps.get_batch_labels:missing-label@1,xps.get_label:500").await;
    let (client, report) = xps_wave(&sandbox, 12, 12).await;
    assert_completed_later(&report, &client, &["order-11"], "xps get_label: HTTP 500").await;
}

#[tokio::test]
async fn without_a_batchs_pdf_each_label_is_fetched_by_itself() {
    for fault in ["truncate", "500", "drop-after"] {
        let sandbox = with_faults(&format!("xps.get_batch_labels:{fault},xps.get_label:truncate@3")).await;
        let (client, report) = xps_wave(&sandbox, 12, 12).await;
        assert_labels(&report, &client).await;
    }
    let sandbox = with_faults("deftship.get_file:html@1,deftship.get_file:truncate@2").await;
    let (client, report) = deftship_wave(&sandbox, 12).await;
    assert_labels(&report, &client).await;
    assert_eq!(sandbox.faults_injected(), 2);
}

/// An answer with labels that breaks off is asked for again, as a read is.
#[tokio::test]
async fn a_batchs_pdf_that_breaks_off_is_read_again() {
    let sandbox = with_faults("xps.get_batch_labels:truncate@1,xps.get_label:500").await;
    let (client, report) = xps_wave(&sandbox, 12, 12).await;
    assert_labels(&report, &client).await;
}

#[tokio::test]
async fn a_file_that_breaks_off_or_is_refused_for_now_is_fetched_again() {
    for fault in ["truncate@3", "500@1", "drop-before@2", "429(0)@2", "expired@4"] {
        let sandbox = with_faults(&format!("smartsend.get_file:{fault}")).await;
        let (client, report) = smartsend_wave(&sandbox, 6).await;
        assert_labels(&report, &client).await;
        assert_eq!(sandbox.faults_injected(), 1, "{fault}");
    }
    let sandbox = with_faults("deftship.get_file:expired@1,deftship.get_parcel_by_tracking_number:500").await;
    let (client, report) = deftship_wave(&sandbox, 6).await;
    assert_labels(&report, &client).await;
}

#[tokio::test]
async fn a_file_that_is_none_is_named_and_comes_later() {
    let sandbox = with_faults("smartsend.get_file:html@3").await;
    let (client, report) = smartsend_wave(&sandbox, 6).await;
    assert_completed_later(&report, &client, &["any"], "the address leads to text/html, not to a PDF").await;

    // Twice for each order: an address that has ended is asked for afresh, once.
    let expired: Vec<String> = (1..=4).map(|call| format!("smartsend.get_file:expired@{call}")).collect();
    let sandbox = with_faults(&expired.join(",")).await;
    let (client, report) = smartsend_wave(&sandbox, 2).await;
    let reason = "the address of the file is no longer valid (HTTP 403)";
    assert_completed_later(&report, &client, &["order-0", "order-1"], reason).await;
}

#[tokio::test]
async fn a_file_for_each_order() {
    let sandbox = with_faults("smartsend.get_file:html@2").await;
    let client = eager(smartsend::Client::builder("team-7"), &sandbox, Vendor::SmartSend);
    let journal = Journal::in_memory().await.unwrap();
    let mut wave: Vec<Order<_>> = orders(4, |_| smartsend_shipment("5000"));
    for (order, id) in wave.iter_mut().zip(["4521", "a/b", "a_b", "A_B"]) {
        order.id = id.parse().unwrap();
    }
    let report = client.book(&wave, &journal).polling(polling()).run().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels");
    assert_eq!(report.labels(&client).write_dir(&path).await.unwrap().missing().len(), 1);
    let index = report.labels(&client).write_dir(&path).await.unwrap();
    assert_eq!(missing(&index), (vec![], BTreeSet::new()));

    let booked = report.iter().filter_map(|(order, outcome)| Some((order, outcome.booked()?)));
    for ((order, booked), label) in booked.zip(index.iter()) {
        let pdf = lopdf::Document::load(&label.path).unwrap();
        assert_eq!((order, label.page, label.pages, pdf.get_pages().len()), (&label.order, 1, 1, 1));
        assert!(pdf.extract_text(&[1]).unwrap().contains(&booked.tracking[0]), "{order}");
    }
    let files: BTreeSet<String> =
        fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    assert!(files.contains("4521.pdf") && files.contains("pages.csv"), "{files:?}");
    let table = fs::read_to_string(path.join("pages.csv")).unwrap();
    assert!(table.starts_with("page,order_id,tracking,file\n1,4521,SS") && table.contains(",4521.pdf\n"), "{table}");
}

/// An open batch of this many quotes.
async fn open_batch(client: &xps::Client, count: usize) -> i64 {
    let quoted = client.quote(&orders(count, |_| xps_shipment("84601"))).await.unwrap();
    let quotes: Vec<i64> = quoted.into_iter().map(|quoted| quoted.unwrap().quote).collect();
    client.create_batch("by hand", &quotes).await.unwrap()
}

#[tokio::test]
async fn a_booking_by_hand_leaves_its_labels_in_a_file() {
    let sandbox = sandbox().await;
    let client = eager(xps::Client::builder("TEST00002"), &sandbox, Vendor::Xps);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.pdf");
    let batch = open_batch(&client, 30).await;
    let booked = client.book_batch_to(batch, &path).await.unwrap();
    assert_eq!((booked.labels, booked.answer.results.len()), (Ok(()), 30));
    assert_eq!(booked.answer.labels_pdf, "");
    assert!(booked.answer.prepay_balance.is_some(), "what comes after the labels is read, too");
    let again = folder.path().join("again.pdf");
    client.write_batch_labels(batch, &again).await.unwrap();
    for path in [&path, &again] {
        assert_eq!(lopdf::Document::load(path).unwrap().get_pages().len(), 30);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    assert_eq!(sandbox.ledger().charged_twice(), 0);
}

/// The rule of every booking holds for one whose labels are streamed: an answer that breaks off is no answer.
#[tokio::test]
async fn a_booking_whose_answer_breaks_off_is_in_doubt_and_sent_once() {
    for fault in ["truncate", "drop-after", "500-after"] {
        let sandbox = with_faults(&format!("xps.book_batch:{fault}")).await;
        let client = eager(xps::Client::builder("TEST00002"), &sandbox, Vendor::Xps);
        let folder = tempfile::tempdir().unwrap();
        let batch = open_batch(&client, 5).await;
        let error = client.book_batch_to(batch, folder.path().join("labels.pdf")).await.unwrap_err();
        assert!(error.may_have_booked(), "{fault}: {error}");
        assert_eq!(
            (error.attempts(), sandbox.faults_injected(), sandbox.ledger().charges().len()),
            (1, 1, 5),
            "{fault}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{fault}: half a file is none");
    }
}

#[tokio::test]
async fn nothing_is_booked_where_its_labels_cannot_go() {
    let sandbox = sandbox().await;
    let client = eager(xps::Client::builder("TEST00002"), &sandbox, Vendor::Xps);
    let batch = open_batch(&client, 5).await;
    let error = client.book_batch_to(batch, "no/such/folder/labels.pdf").await.unwrap_err();
    assert!(!error.was_sent(), "{error}");
    assert_eq!(sandbox.ledger().orders(), 0);
}

/// What the journal knows of is not fetched again: only what is missing, or is not as it was written.
#[tokio::test]
async fn a_rerun_fetches_only_what_is_missing() {
    let sandbox = with_faults("xps.get_batch_labels:missing-label,xps.get_label:500").await;
    let client = eager(xps::Client::builder("TEST00002"), &sandbox, Vendor::Xps);
    let (folder, journal) = (tempfile::tempdir().unwrap(), Journal::in_memory().await.unwrap());
    let wave: Vec<Order<xps::types::QuoteShipment>> = orders(12, |_| xps_shipment("84601"));
    let report = client.book(&wave, &journal).polling(polling()).run().await.unwrap();
    let path = folder.path().join("labels.pdf");
    let write = async || report.labels(&client).journal(&journal).write_pdf(&path).await.unwrap();
    assert_eq!((write().await.missing().len(), pages(&path)), (1, 11));

    // A fault for each call that it concerns counts the calls.
    let calls = async |faults: &str| {
        let before = sandbox.faults_injected();
        sandbox.set_faults(faults.parse().unwrap());
        let index = write().await;
        assert_index(&report, &index, &path);
        (index.missing().len(), pages(&path), sandbox.faults_injected() - before)
    };
    assert_eq!(calls("*:slow(1)").await, (0, 12, 1), "the one that is missing");
    assert_eq!(calls("*:500").await, (0, 12, 0), "all of them are there");
    std::fs::write(&path, "%PDF-1.7 and no more").unwrap();
    let (missing, pages, calls) = calls("*:slow(1)").await;
    assert_eq!((missing, pages), (0, 12));
    assert!(calls > 0, "a file that is not as it was written is no label");
    // A file for each: the one PDF is where they come from.
    sandbox.set_faults("*:500".parse().unwrap());
    let index = report.labels(&client).journal(&journal).write_dir(folder.path().join("each")).await.unwrap();
    assert_eq!((index.iter().len(), index.missing().len()), (12, 0));
}

fn pages(path: &Path) -> usize {
    lopdf::Document::load(path).unwrap().get_pages().len()
}

/// Customs papers stay with their order, whichever way its label comes.
#[tokio::test]
async fn an_order_that_goes_abroad_has_its_customs_papers() {
    let sandbox = sandbox().await;
    let client = eager(deftship::Client::builder("main"), &sandbox, Vendor::Deftship);
    let wave: Vec<Order<deftship::Shipment>> = orders(12, |number| {
        let mut shipment = deftship_shipment("90001", "5559876543");
        if number % 4 == 1 {
            let address = &mut shipment["shipment"]["to_address"];
            (address["country"], address["zip"], address["state"]) = ("CA".into(), "K1A 0B1".into(), "ON".into());
            shipment["shipment"]["package_list"][0]["items"] =
                serde_json::json!([{"sku": "A-1", "name": "Mug", "quantity": 1, "price": 12, "origin_country": "US"}]);
        }
        shipment
    });
    let journal = Journal::in_memory().await.unwrap();
    let report = client.book(&wave, &journal).polling(polling()).run().await.unwrap();
    let odd = report.iter().find(|(_, outcome)| outcome.booked().is_none());
    assert!(report.all_booked(), "{odd:?}");
    let folder = tempfile::tempdir().unwrap();
    let index = report.labels(&client).write_pdf(folder.path().join("labels.pdf")).await.unwrap();
    let pages: Vec<usize> = index.iter().map(|label| label.pages).collect();
    assert_eq!(index.missing().len(), 0);
    let domestic = pages[0];
    for (place, pages) in pages.into_iter().enumerate() {
        assert_eq!(pages > domestic, place % 4 == 1, "order-{place}: {pages} pages");
    }
}
