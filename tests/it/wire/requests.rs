//! Requests as they are sent: one of each kind for each vendor, and where they go.

use std::num::NonZeroU32;

use insta::assert_snapshot;
use serde_json::{Value, json};
use shipbatch::{IdempotencyKey, deftship, smartsend, xps};
use uuid::Uuid;

use super::recorder::Recorder;

const SHIPMENT: Uuid = Uuid::from_u128(0x550e_8400_e29b_41d4_a716_4466_5544_0000);

fn key() -> IdempotencyKey {
    "order-4521_first-try".parse().unwrap()
}

mod smartsend_sends {
    use shipbatch::smartsend::types;

    use super::*;

    fn client(server: &Recorder) -> smartsend::Client {
        smartsend::Client::builder("team-7").token("t0ken").base_url(server.url("/api/v2")).build().unwrap()
    }

    fn shipment() -> types::ShipmentRequest {
        let address = types::AddressRequest { city: "Søborg".into(), country: "DK".into(), ..Default::default() };
        let receiver = types::ReceiverRequest { address, ..Default::default() };
        let parcel = types::ParcelRequest { gross_weight: Some("1.250".parse().unwrap()), ..Default::default() };
        types::ShipmentRequest {
            currency: "DKK".parse().unwrap(),
            delivery: Default::default(),
            dimension_unit: None,
            duty_amount: None,
            identifier: Some("4521".into()),
            invoice_number: None,
            parcels: vec![parcel],
            parties: types::PartiesRequest { receiver, ..Default::default() },
            reference: None,
            shipping_net_amount: None,
            shipping_tax_amount: None,
            tax_amount: None,
            total_net_amount: Some(99.into()),
            uri: None,
            weight_unit: Some(types::WeightUnit::Kg),
        }
    }

    #[tokio::test]
    async fn a_list() {
        let server = Recorder::answering(&json!({"data": [], "meta": {}}));
        let (client, team) = (client(&server), "team-7".parse().unwrap());
        let page = NonZeroU32::new(2);
        let state = types::ShipmentState::Booked;
        client
            .raw()
            .list_shipments(&team, Some("post nord"), page, None, None, Some(&state), None, None, None)
            .await
            .unwrap();
        assert_snapshot!(server.request(), @r"
        GET /api/v2/team/team-7/shipments?carrier=post+nord&page=2&state=booked
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        request-id: <id>
        ");
    }

    #[tokio::test]
    async fn a_create() {
        let server = Recorder::answering(&json!({"data": {}}));
        client(&server).create_shipment(&shipment(), &key()).await.unwrap();
        assert_snapshot!(server.request(), @r#"
        POST /api/v2/team/team-7/shipments
        authorization: Bearer t0ken
        accept: application/json
        content-type: application/json
        user-agent: shipbatch/<version>
        idempotency-key: order-4521_first-try
        request-id: <id>

        {
          "currency": "DKK",
          "delivery": {
            "addons": null,
            "carrier": null,
            "service": null
          },
          "dimension_unit": null,
          "duty_amount": null,
          "identifier": "4521",
          "invoice_number": null,
          "parcels": [
            {
              "duty_amount": null,
              "freetext": null,
              "gross_weight": 1.25,
              "height": null,
              "identifier": null,
              "items": null,
              "length": null,
              "reference": null,
              "tax_amount": null,
              "total_net_amount": null,
              "tracking_url": null,
              "width": null
            }
          ],
          "parties": {
            "pickup": null,
            "receiver": {
              "address": {
                "address_lines": null,
                "administrative_area": null,
                "city": "Søborg",
                "country": "DK",
                "postal_code": null
              },
              "contact": {
                "company": null,
                "email": null,
                "name_lines": [],
                "phone": null
              },
              "identifier": null,
              "identifiers": null,
              "reference": null,
              "uri": null
            }
          },
          "reference": null,
          "shipping_net_amount": null,
          "shipping_tax_amount": null,
          "tax_amount": null,
          "total_net_amount": 99,
          "uri": null,
          "weight_unit": "kg"
        }
        "#);
    }

    #[tokio::test]
    async fn a_booking() {
        let server = Recorder::answering(&json!({"data": {}}));
        let _ = client(&server).book_shipment(SHIPMENT, &key()).await.unwrap();
        assert_snapshot!(server.request(), @r"
        POST /api/v2/team/team-7/shipments/550e8400-e29b-41d4-a716-446655440000/booking
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        idempotency-key: order-4521_first-try
        prefer: respond-async
        request-id: <id>
        ");
    }

    #[tokio::test]
    async fn a_booking_that_is_waited_for() {
        let server = Recorder::answering(&json!({"data": {}}));
        let _ = client(&server).book_shipment_now(SHIPMENT, &key()).await.unwrap();
        assert_snapshot!(server.request(), @r"
        POST /api/v2/team/team-7/shipments/550e8400-e29b-41d4-a716-446655440000/booking
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        idempotency-key: order-4521_first-try
        request-id: <id>
        ");
    }

    #[tokio::test]
    async fn a_get() {
        let server = Recorder::answering(&json!({"data": {}}));
        client(&server).shipment(SHIPMENT).await.unwrap();
        assert_snapshot!(server.request(), @r"
        GET /api/v2/team/team-7/shipments/550e8400-e29b-41d4-a716-446655440000
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        request-id: <id>
        ");
    }
}

mod xps_sends {
    use shipbatch::xps::types;

    use super::*;

    fn client(server: &Recorder) -> xps::Client {
        xps::Client::builder("TEST00002").token("t0ken").base_url(server.url("/restapi/v1")).build().unwrap()
    }

    fn customer() -> types::CustomerId {
        "TEST00002".parse().unwrap()
    }

    fn batch() -> Value {
        json!({
            "batchId": 42, "name": "wave", "status": "open", "quoteCount": 1, "bookedCount": 0, "errorCount": 0,
            "createdAt": "2026-11-21 08:00:00", "updatedAt": "2026-11-21 08:00:00", "processedAt": null, "quotes": [],
        })
    }

    #[tokio::test]
    async fn a_list() {
        let server = Recorder::answering(&json!({"batches": [], "total": 0, "page": 2, "limit": 50}));
        let (limit, page) = (NonZeroU32::new(50), NonZeroU32::new(2));
        client(&server).raw().list_batches(&customer(), limit, page).await.unwrap();
        assert_snapshot!(server.request(), @r"
        GET /restapi/v1/customers/TEST00002/batch?limit=50&page=2
        authorization: RSIS t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        ");
    }

    #[tokio::test]
    async fn a_create() {
        let server = Recorder::answering(&batch());
        let request = types::CreateBatchRequest { name: "wave".parse().unwrap(), quote_ids: vec![1234, 1235] };
        client(&server).raw().create_batch(&customer(), &request).await.unwrap();
        assert_snapshot!(server.request(), @r#"
        POST /restapi/v1/customers/TEST00002/batch
        authorization: RSIS t0ken
        accept: application/json
        content-type: application/json
        user-agent: shipbatch/<version>

        {
          "name": "wave",
          "quoteIds": [
            1234,
            1235
          ]
        }
        "#);
    }

    #[tokio::test]
    async fn a_booking() {
        let server = Recorder::answering(&json!({"results": [], "labelsPdf": ""}));
        let request = types::BatchBookRequest { batch_id: 42 };
        client(&server).raw().book_batch(&customer(), &request).await.unwrap();
        assert_snapshot!(server.request(), @r#"
        POST /restapi/v1/customers/TEST00002/batch-book
        authorization: RSIS t0ken
        accept: application/json
        content-type: application/json
        user-agent: shipbatch/<version>

        {
          "batchId": 42
        }
        "#);
    }

    #[tokio::test]
    async fn a_get() {
        let server = Recorder::answering(&batch());
        client(&server).batch(42).await.unwrap();
        assert_snapshot!(server.request(), @r"
        GET /restapi/v1/customers/TEST00002/batch/42
        authorization: RSIS t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        ");
    }

    #[tokio::test]
    async fn a_get_of_a_file() {
        let server = Recorder::answering(&json!({}));
        client(&server).raw().get_label(&customer(), &"2317948".parse().unwrap()).await.unwrap();
        assert_snapshot!(server.request(), @r"
        GET /restapi/v1/customers/TEST00002/shipments/2317948/label
        authorization: RSIS t0ken
        accept: application/json, */*;q=0.5
        user-agent: shipbatch/<version>
        ");
    }
}

mod deftship_sends {
    use shipbatch::deftship::types;

    use super::*;

    fn client(server: &Recorder) -> deftship::Client {
        deftship::Client::builder("warehouse-2").token("t0ken").base_url(server.url("")).build().unwrap()
    }

    fn batch() -> Value {
        json!({"success": true, "data": {"id": "12345678", "status": "ready"}})
    }

    #[tokio::test]
    async fn a_get_of_some_items() {
        let server = Recorder::answering(&batch());
        let (page, filter) = (NonZeroU32::new(2), Some(types::ItemFilter::Failed));
        client(&server).raw().get_batch(&"12345678".parse().unwrap(), page, filter).await.unwrap();
        assert_snapshot!(server.request(), @r"
        GET /batches/12345678?page=2&status=failed
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        ");
    }

    #[tokio::test]
    async fn a_create() {
        let server = Recorder::answering(&batch());
        let package = types::Package {
            count: 1,
            length: 10.into(),
            width: "8.5".parse().unwrap(),
            height: 4.into(),
            weight: "0.10".parse().unwrap(),
            ..Default::default()
        };
        let to_address = types::ToAddress {
            name: "Jane Smith".into(),
            street_1: "456 Oak Ave".into(),
            city: "Los Angeles".into(),
            state: Some("CA".into()),
            zip: "90001".into(),
            country: "US".into(),
            telephone: "5559876543".into(),
            ..Default::default()
        };
        let shipment = types::BatchShipment { to_address, package_list: vec![package], ..Default::default() };
        let request =
            types::CreateBatchRequest { shipper_id: 123, service: "USPS-3".into(), batch_shipments: vec![shipment] };
        client(&server).raw().create_batch(&request).await.unwrap();
        assert_snapshot!(server.request(), @r#"
        POST /batches
        authorization: Bearer t0ken
        accept: application/json
        content-type: application/json
        user-agent: shipbatch/<version>

        {
          "batch_shipments": [
            {
              "package_list": [
                {
                  "count": 1,
                  "height": 4,
                  "length": 10,
                  "weight": 0.1,
                  "width": 8.5
                }
              ],
              "to_address": {
                "city": "Los Angeles",
                "country": "US",
                "name": "Jane Smith",
                "state": "CA",
                "street_1": "456 Oak Ave",
                "telephone": "5559876543",
                "zip": "90001"
              }
            }
          ],
          "service": "USPS-3",
          "shipper_id": 123
        }
        "#);
    }

    #[tokio::test]
    async fn a_booking() {
        let server = Recorder::answering(&batch());
        client(&server).raw().ship_batch(&"12345678".parse().unwrap()).await.unwrap();
        assert_snapshot!(server.request(), @r"
        POST /batches/12345678/ship
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        ");
    }

    #[tokio::test]
    async fn a_get() {
        let server = Recorder::answering(&batch());
        client(&server).batch("12345678").await.unwrap();
        assert_snapshot!(server.request(), @r"
        GET /batches/12345678?page=1
        authorization: Bearer t0ken
        accept: application/json
        user-agent: shipbatch/<version>
        ");
    }
}

#[tokio::test]
async fn a_trailing_slash_gives_no_empty_segment() {
    let server = Recorder::answering(&json!({"success": true, "data": {"id": "1", "status": "ready"}}));
    let client = deftship::Client::builder("w").token("t0ken").base_url(server.url("/v9//")).build().unwrap();
    client.batch("1").await.unwrap();
    assert!(server.request().starts_with("GET /v9/batches/1?page=1\n"), "{}", server.request());
}

#[tokio::test]
async fn an_account_is_escaped() {
    let server = Recorder::answering(&json!({"data": {}}));
    let client = smartsend::Client::builder("rød / grød").token("t0ken").base_url(server.url("")).build().unwrap();
    client.shipment(SHIPMENT).await.unwrap();
    let escaped = format!("GET /team/r%C3%B8d%20%2F%20gr%C3%B8d/shipments/{SHIPMENT}\n");
    assert!(server.request().starts_with(&escaped), "{}", server.request());
}
