//! The examples of the source documents, as printed there.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use shipbatch::{deftship, smartsend, xps};

use super::round_trip;

#[track_caller]
fn is_kept<T: Serialize + DeserializeOwned>(text: &str) {
    let json: Value = serde_json::from_str(text).unwrap();
    assert_eq!(round_trip::<T>(&json), json);
}

#[test]
fn smartsend_create_batch() {
    is_kept::<smartsend::types::BookingBatchRequest>(SMARTSEND_CREATE_BATCH);
    is_kept::<smartsend::types::BookingBatchEnvelope>(SMARTSEND_CREATED_BATCH);
}

#[test]
fn smartsend_list_shipments() {
    is_kept::<smartsend::types::ShipmentList>(SMARTSEND_SHIPMENTS);
}

#[test]
fn xps_batch_book() {
    is_kept::<xps::types::BatchBookRequest>(XPS_BOOK_BATCH);
    is_kept::<xps::types::BatchBookResponse>(XPS_BOOKED_BATCH);
}

#[test]
fn deftship_create_batch() {
    is_kept::<deftship::types::CreateBatchRequest>(DEFTSHIP_CREATE_BATCH);
    is_kept::<deftship::types::BatchEnvelope>(DEFTSHIP_CREATED_BATCH);
}

/// The failure, read as what a 200 and what an error status would be read as.
#[test]
fn deftship_refused_batch() {
    is_kept::<deftship::types::BatchEnvelope>(DEFTSHIP_REFUSED_BATCH);
    is_kept::<deftship::types::ErrorBody>(DEFTSHIP_REFUSED_BATCH);
}

const SMARTSEND_CREATE_BATCH: &str = r#"{
  "reference": "<string>",
  "identifier": "<string>"
}"#;

const SMARTSEND_CREATED_BATCH: &str = r#"{
  "data": {
    "uuid": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
    "reference": "<string>",
    "identifier": "<string>",
    "total_count": 123,
    "completed_count": 123,
    "failed_count": 123,
    "progress": 50,
    "created_at": "2023-11-07T05:31:56Z",
    "started_at": "2023-11-07T05:31:56Z",
    "finished_at": "2023-11-07T05:31:56Z"
  }
}"#;

const SMARTSEND_SHIPMENTS: &str = r#"{
  "data": [
    {
      "uuid": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
      "state": "open",
      "currency": "<string>",
      "weight_unit": "g",
      "dimension_unit": "cm",
      "invoice_number": "<string>",
      "reference": "<string>",
      "identifier": "<string>",
      "uri": "<string>",
      "delivery": {
        "carrier_code": "<string>",
        "carrier_name": "<string>",
        "carrier_logo_url": "<string>",
        "carrier_icon_url": "<string>",
        "service_code": "<string>",
        "service_name": "<string>",
        "is_pickup": true,
        "is_return": true,
        "addons": [
          {
            "code": "<string>",
            "name": "<string>"
          }
        ],
        "incoterm": "EXW"
      },
      "parties": {
        "receiver": {
          "reference": "<string>",
          "identifier": "<string>",
          "uri": "<string>",
          "address": {
            "address_lines": [
              "<string>"
            ],
            "postal_code": "<string>",
            "city": "<string>",
            "country": "<string>",
            "administrative_area": "<string>"
          },
          "contact": {
            "name_lines": [
              "<string>"
            ],
            "company": "<string>",
            "email": "jsmith@example.com",
            "phone": "<string>"
          },
          "identifiers": {
            "vat": "<string>",
            "eori": "<string>",
            "gb_eori": "<string>",
            "tax_id": "<string>",
            "voec": "<string>"
          }
        },
        "pickup": {
          "service_point_code": "<string>",
          "company": "<string>",
          "address": {
            "address_lines": [
              "<string>"
            ],
            "postal_code": "<string>",
            "city": "<string>",
            "country": "<string>",
            "administrative_area": "<string>"
          },
          "reference": "<string>",
          "identifier": "<string>",
          "uri": "<string>"
        }
      },
      "parcels": [
        {
          "uuid": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
          "reference": "<string>",
          "identifier": "<string>",
          "tracking_code": "<string>",
          "tracking_url": "<string>",
          "freetext": "<string>",
          "gross_weight": 1,
          "length": 1,
          "width": 1,
          "height": 1,
          "total_net_amount": 123,
          "tax_amount": 123,
          "duty_amount": 123,
          "items": [
            {
              "reference": "<string>",
              "identifier": "<string>",
              "uri": "<string>",
              "image_url": "<string>",
              "sku": "<string>",
              "location": "<string>",
              "name": "<string>",
              "description": "<string>",
              "tariff_code": "<string>",
              "country_of_origin": "<string>",
              "quantity": 1,
              "total_net_amount": 123,
              "tax_amount": 123,
              "duty_amount": 123,
              "net_weight": 1,
              "cost_amount": 123
            }
          ],
          "documents": [
            {
              "type": "label",
              "format": "pdf",
              "url": "<string>"
            }
          ]
        }
      ],
      "total_net_amount": 123,
      "tax_amount": 123,
      "duty_amount": 123,
      "shipping_net_amount": 123,
      "shipping_tax_amount": 123,
      "created_at": "2023-11-07T05:31:56Z",
      "booked_at": "2023-11-07T05:31:56Z"
    }
  ],
  "meta": {
    "current_page": 123,
    "per_page": 123,
    "total": 123,
    "last_page": 123,
    "from": 123,
    "to": 123
  }
}"#;

const XPS_BOOK_BATCH: &str = r#"{
  "batchId": 42
}"#;

const XPS_BOOKED_BATCH: &str = r#"{
  "results": [
    {
      "quoteId": 1234,
      "status": "success",
      "bookNumber": "2456789",
      "trackingNumber": "1Z999AA10123456784",
      "lastMileTrackingNumber": "",
      "totalShippingCost": "16.27",
      "zone": "2"
    },
    {
      "quoteId": 1235,
      "status": "error",
      "error": "Insufficient prepay balance",
      "errorCategory": "INVALID_REQUEST"
    }
  ],
  "labelsPdf": "<base64-encoded-pdf>",
  "prepayBalance": "483.73"
}"#;

const DEFTSHIP_CREATE_BATCH: &str = r#"{
"shipper_id": 123,
"service": "USPS-3",
"batch_shipments": [
{
"from_address_id": 1387235969,
"to_address": {
"name": "Jane Smith",
"street_1": "456 Oak Ave",
"city": "Los Angeles",
"state": "CA",
"zip": "90001",
"country": "US",
"telephone": "5559876543"
},
"package_list": [
{
"count": 1,
"length": 10,
"width": 8,
"height": 4,
"weight": 1,
"reference_1": "ORDER-001"
}
]
},
{
"from_address_id": 1387235969,
"to_address": {
"name": "Bob Johnson",
"street_1": "789 Pine Rd",
"city": "Chicago",
"state": "IL",
"zip": "60601",
"country": "US",
"telephone": "5551112222"
},
"package_list": [
{
"count": 1,
"length": 12,
"width": 10,
"height": 6,
"weight": 2,
"reference_1": "ORDER-002"
}
]
}
]
}"#;

const DEFTSHIP_CREATED_BATCH: &str = r#"{
"success": true,
"data": {
"id": "12345678",
"status": "validating",
"default_service": "USPS-3",
"default_shipper_id": "99999999"
}
}"#;

const DEFTSHIP_REFUSED_BATCH: &str = r#"{
"success": false,
"message": "Shipper not found or does not meet requirements for batch shipping."
}"#;
