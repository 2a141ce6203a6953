//! The operations of the three specs, by method and path.

use axum::http::Method;

use crate::Vendor;

/// An operation, as a fault must know it.
#[derive(Debug, PartialEq)]
pub(super) struct Operation {
    pub(super) vendor: Vendor,
    /// Its `operationId`.
    pub(super) id: &'static str,
    method: &'static str,
    /// The whole path; `{}` stands for whatever is in a segment.
    path: &'static str,
    pub(super) answer: Answer,
}

/// What an answer holds that a fault may change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Answer {
    Plain,
    /// How far a thing is, at this place (RFC 6901).
    Status(&'static str),
    /// Labels: a PDF in base64 at this place.
    Labels(&'static str),
    /// Labels: a PDF.
    File,
}

use Answer::{File, Labels, Plain, Status};

const fn smartsend(id: &'static str, method: &'static str, path: &'static str, answer: Answer) -> Operation {
    Operation { vendor: Vendor::SmartSend, id, method, path, answer }
}

const fn xps(id: &'static str, method: &'static str, path: &'static str, answer: Answer) -> Operation {
    Operation { vendor: Vendor::Xps, id, method, path, answer }
}

const fn deftship(id: &'static str, method: &'static str, path: &'static str, answer: Answer) -> Operation {
    Operation { vendor: Vendor::Deftship, id, method, path, answer }
}

/// All of them, and the files that answers link to: `get_file`, which is in no spec.
#[rustfmt::skip]
pub(super) const ALL: &[Operation] = &[
    smartsend("list_shipments", "GET", "/api/v2/team/{}/shipments", Plain),
    smartsend("create_shipment", "POST", "/api/v2/team/{}/shipments", Status("/data/state")),
    smartsend("get_shipment", "GET", "/api/v2/team/{}/shipments/{}", Status("/data/state")),
    smartsend("delete_shipment", "DELETE", "/api/v2/team/{}/shipments/{}", Plain),
    smartsend("book_shipment", "POST", "/api/v2/team/{}/shipments/{}/booking", Plain),
    smartsend("list_booking_batches", "GET", "/api/v2/team/{}/booking-batches", Plain),
    smartsend("create_booking_batch", "POST", "/api/v2/team/{}/booking-batches", Status("/data/state")),
    smartsend("get_booking_batch", "GET", "/api/v2/team/{}/booking-batches/{}", Status("/data/state")),
    smartsend("cancel_booking_batch", "DELETE", "/api/v2/team/{}/booking-batches/{}", Plain),
    smartsend("add_shipments_to_booking_batch", "POST", "/api/v2/team/{}/booking-batches/{}/shipments", Plain),
    smartsend("dispatch_booking_batch", "POST", "/api/v2/team/{}/booking-batches/{}/dispatch", Plain),
    smartsend("get_file", "GET", "/api/v2/files/{}/{}", File),
    xps("list_services", "GET", "/restapi/v1/customers/{}/services", Plain),
    xps("quote_batch", "POST", "/restapi/v1/customers/{}/batch-quote", Plain),
    xps("create_batch", "POST", "/restapi/v1/customers/{}/batch", Status("/status")),
    xps("list_batches", "GET", "/restapi/v1/customers/{}/batch", Plain),
    xps("add_quotes", "POST", "/restapi/v1/customers/{}/batch/{}/quotes", Plain),
    xps("remove_quote", "DELETE", "/restapi/v1/customers/{}/batch/{}/quotes/{}", Plain),
    xps("book_batch", "POST", "/restapi/v1/customers/{}/batch-book", Labels("/labelsPdf")),
    xps("get_batch", "GET", "/restapi/v1/customers/{}/batch/{}", Status("/status")),
    xps("delete_batch", "DELETE", "/restapi/v1/customers/{}/batch/{}", Plain),
    xps("get_batch_errors", "GET", "/restapi/v1/customers/{}/batch/{}/errors", Plain),
    xps("get_batch_labels", "GET", "/restapi/v1/customers/{}/batch/{}/labels", Labels("/labelsPdf")),
    xps("cancel_batch", "POST", "/restapi/v1/customers/{}/batch/{}/cancel", Plain),
    xps("book_shipment", "POST", "/restapi/v1/customers/{}/shipments", Plain),
    xps("list_shipments", "GET", "/restapi/v1/customers/{}/shipments", Plain),
    xps("get_shipment", "GET", "/restapi/v1/customers/{}/shipments/{}", Plain),
    xps("void_shipment", "POST", "/restapi/v1/customers/{}/shipments/{}", Plain),
    xps("search_shipments", "POST", "/restapi/v1/customers/{}/searchShipments", Plain),
    xps("get_label", "GET", "/restapi/v1/customers/{}/shipments/{}/label", Plain),
    xps("get_label_in_format", "GET", "/restapi/v1/customers/{}/shipments/{}/label/{}", Plain),
    xps("get_labels", "POST", "/restapi/v1/customers/{}/shipments/multiple/labels/{}", Plain),
    deftship("create_batch", "POST", "/batches", Status("/data/status")),
    deftship("get_batch", "GET", "/batches/{}", Status("/data/status")),
    deftship("add_batch_items", "PUT", "/batches/{}/add-items", Plain),
    deftship("remove_batch_items", "PUT", "/batches/{}/remove-items", Plain),
    deftship("ship_batch", "POST", "/batches/{}/ship", Status("/data/status")),
    deftship("get_parcel", "GET", "/parcel-orders/{}", Plain),
    deftship("get_parcel_by_tracking_number", "GET", "/parcel-orders/tracking-number/{}", Plain),
    deftship("merge_labels", "POST", "/parcel-orders/merge-labels", Plain),
    deftship("get_balance", "GET", "/balance", Plain),
    deftship("validate_address", "POST", "/address/validate", Plain),
    deftship("get_file", "GET", "/files/deftship/{}/{}", File),
];

/// The operation that a request asks for.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static Operation> {
    ALL.iter().find(|operation| operation.method == method.as_str() && operation.is_at(path))
}

impl Operation {
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET"
    }

    fn is_at(&self, path: &str) -> bool {
        let (mut template, mut path) = (self.path.split('/'), path.split('/'));
        let fits = template.by_ref().all(|part| path.next().is_some_and(|segment| part == "{}" || part == segment));
        fits && path.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_operation_of_the_specs_is_known_and_no_other() {
        let mut known = 0;
        for (vendor, base) in [(Vendor::SmartSend, "/api/v2"), (Vendor::Xps, "/restapi/v1"), (Vendor::Deftship, "")] {
            let file = format!("{}/openapi/{}.yaml", env!("CARGO_MANIFEST_DIR"), vendor.name());
            let spec: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            for (path, methods) in spec["paths"].as_object().unwrap() {
                let path = path.split('/').map(|part| if part.starts_with('{') { "7" } else { part });
                let path = format!("{base}{}", path.collect::<Vec<_>>().join("/"));
                for (method, operation) in methods.as_object().unwrap() {
                    let Some(id) = operation["operationId"].as_str() else { continue };
                    let method = method.to_uppercase().parse().unwrap();
                    let found = find(&method, &path).map(|operation| (operation.vendor, operation.id));
                    assert_eq!(found, Some((vendor, id)), "{method} {path}");
                    known += 1;
                }
            }
        }
        assert_eq!(known, ALL.iter().filter(|operation| operation.id != "get_file").count());
        assert_eq!(find(&Method::GET, "/batches/7/items"), None);
    }
}
