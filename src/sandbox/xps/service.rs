//! The services: what a quote may name. Those of ups_ground and usps_priority are from the vendor's examples, the
//! others and all prices are made up.

use axum::response::Response;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::sandbox::{json as answer, number};

const SERVICES: [Service; 4] = [
    Service {
        carrier: "usps",
        carrier_label: "USPS",
        code: "usps_priority",
        label: "USPS Priority Mail",
        base: 640,
        per_pound: 85,
        most_pounds: "70",
        packages: &[
            Package { code: "usps_custom_package", label: "Custom Package", preset: None },
            Package {
                code: "usps_medium_flat_rate_box",
                label: "Medium Flat Rate Box",
                preset: Some(["11", "8.5", "5.5"]),
            },
        ],
    },
    Service {
        carrier: "usps",
        carrier_label: "USPS",
        code: "usps_ground_advantage",
        label: "USPS Ground Advantage",
        base: 410,
        per_pound: 60,
        most_pounds: "70",
        packages: &[Package { code: "usps_custom_package", label: "Custom Package", preset: None }],
    },
    Service {
        carrier: "ups",
        carrier_label: "UPS",
        code: "ups_ground",
        label: "UPS Ground",
        base: 825,
        per_pound: 70,
        most_pounds: "150",
        packages: &UPS_PACKAGES,
    },
    Service {
        carrier: "ups",
        carrier_label: "UPS",
        code: "ups_2nd_day_air",
        label: "UPS 2nd Day Air",
        base: 1790,
        per_pound: 195,
        most_pounds: "150",
        packages: &UPS_PACKAGES,
    },
];

const UPS_PACKAGES: [Package; 2] = [
    Package { code: "ups_custom_package", label: "Custom Package", preset: None },
    Package { code: "ups_large_box", label: "UPS Express Box - Large", preset: Some(["18", "13", "3"]) },
];

/// What a parcel can be sent by. Prices are in cents.
#[derive(Debug)]
pub(super) struct Service {
    carrier: &'static str,
    carrier_label: &'static str,
    code: &'static str,
    label: &'static str,
    base: i64,
    per_pound: i64,
    most_pounds: &'static str,
    packages: &'static [Package],
}

/// What a parcel can be packed in.
#[derive(Debug)]
pub(super) struct Package {
    code: &'static str,
    label: &'static str,
    /// Length, width and height in inches, where they are fixed.
    preset: Option<[&'static str; 3]>,
}

pub(super) async fn list() -> Response {
    let services: Vec<Value> = SERVICES.iter().map(Service::json).collect();
    answer(200, json!({ "services": services }))
}

impl Service {
    pub(super) fn named(carrier: &str, code: &str) -> Option<&'static Self> {
        const { &SERVICES }.iter().find(|service| service.carrier == carrier && service.code == code)
    }

    pub(super) fn package(&self, code: &str) -> Option<&'static Package> {
        self.packages.iter().find(|package| package.code == code)
    }

    /// The price of so many pounds to that zone, without insurance.
    pub(super) fn price(&self, pounds: Decimal, zone: u64) -> Decimal {
        Decimal::new(self.base, 2)
            + Decimal::new(self.per_pound, 2) * pounds
            + Decimal::new(35, 2) * Decimal::from(zone)
    }

    /// A tracking number that looks like the carrier's, and is the book number's alone.
    pub(super) fn tracking(carrier: &str, book_number: u64, seed: u64) -> String {
        let noise = number(seed, &format!("tracking {book_number}"));
        match carrier {
            "ups" => format!("1Z999AA1{book_number:08}{:02}", noise % 100),
            _ => format!("9405511{:07}{book_number:08}", noise % 10_000_000),
        }
    }

    fn json(&self) -> Value {
        let packages: Vec<Value> = self.packages.iter().map(|package| package.json(self.most_pounds)).collect();
        json!({
            "carrierCode": self.carrier,
            "carrierLabel": self.carrier_label,
            "serviceCode": self.code,
            "serviceLabel": self.label,
            "inbound": false,
            "supportedCountries": null,
            "unsupportedCountries": null,
            "signatureOptions": [
                { "signatureOptionCode": "direct", "signatureOptionLabel": "Direct Signature Required" },
                { "signatureOptionCode": "adult", "signatureOptionLabel": "Adult Signature Required" },
            ],
            "supportedDangerousGoodsCodes": null,
            "packageTypes": packages,
        })
    }
}

impl Package {
    pub(super) fn is_preset(&self) -> bool {
        self.preset.is_some()
    }

    fn json(&self, most_pounds: &str) -> Value {
        let [length, width, height] = self.preset.map_or([None; 3], |sides| sides.map(Some));
        json!({
            "packageTypeCode": self.code,
            "packageTypeLabel": self.label,
            "multipieceSupported": !self.is_preset(),
            "weightUnit": "lb",
            "maxWeightPerPiece": most_pounds,
            "dimType": if self.is_preset() { "preset" } else { "custom" },
            "dimUnit": self.preset.map(|_| "in"),
            "presetLength": length,
            "presetWidth": width,
            "presetHeight": height,
        })
    }
}
