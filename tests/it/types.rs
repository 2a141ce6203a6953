//! The Rust type of each schema in the specs' components: how it is read and written, and the schema derived from it.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What a type can do.
pub(crate) struct Wire {
    /// Reads it and writes it again. Otherwise: what could not be read.
    pub(crate) round_trip: fn(&Value) -> Result<Value, String>,
    /// The JSON Schema that is derived from it.
    #[cfg(feature = "schemars")]
    pub(crate) schema: fn() -> Value,
}

impl Wire {
    #[cfg(feature = "schemars")]
    fn of<T: Serialize + DeserializeOwned + schemars::JsonSchema>() -> Self {
        Self { round_trip: round_trip::<T>, schema: || schemars::schema_for!(T).to_value() }
    }

    #[cfg(not(feature = "schemars"))]
    fn of<T: Serialize + DeserializeOwned>() -> Self {
        Self { round_trip: round_trip::<T> }
    }
}

/// As users and answers do it: from text, not from a tree.
pub(crate) fn round_trip<T: Serialize + DeserializeOwned>(json: &Value) -> Result<Value, String> {
    let value: T = serde_json::from_str(&json.to_string()).map_err(|error| format!("{error} in {json}"))?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}

macro_rules! table {
    ($($vendor:ident: $($name:ident)*;)*) => {
        /// The type of a schema, by the vendor and the schema's name, or by what `type_name` calls one without a name.
        pub(crate) fn wire(vendor: &str, schema: &str) -> Option<Wire> {
            Some(match (vendor, schema) {
                (_, "string") => Wire::of::<String>(),
                (_, "string(date)") => Wire::of::<jiff::civil::Date>(),
                (_, "string(uuid)") => Wire::of::<uuid::Uuid>(),
                (_, "integer(int32)") => Wire::of::<i32>(),
                (_, "integer(int64)") => Wire::of::<i64>(),
                ("smartsend", "IdempotencyKey") => Wire::of::<shipbatch::IdempotencyKey>(),
                ("xps", "Decimal") => Wire::of::<rust_decimal::Decimal>(),
                $($((stringify!($vendor), stringify!($name)) => Wire::of::<shipbatch::$vendor::types::$name>(),)*)*
                _ => return None,
            })
        }
    };
}

// To be extended with each schema of a component that is new.
table! {
    smartsend:
        AcceptLanguage AddShipmentsRequest AddedShipments Addon AddonRequest Address AddressRequest BookingBatch
        BookingBatchEnvelope BookingBatchList BookingBatchRequest BookingBatchState Contact ContactRequest
        Currency Deleted Delivery DeliveryRequest DimensionUnit Document DocumentFormat DocumentType
        Identifiers IdentifiersRequest Incoterm Item ItemRequest Operation OperationEnvelope
        PageMeta Parcel ParcelRequest Parties PartiesRequest PickupPoint PickupRequest Prefer Problem
        ProblemLinks Receiver ReceiverRequest RequestId Shipment ShipmentDimensionUnit ShipmentEnvelope
        ShipmentList ShipmentRequest ShipmentState ShipmentWeightUnit TeamId WeightUnit;
    xps:
        AddQuotesRequest Address Batch BatchBookRequest BatchBookResponse BatchBookResult BatchError BatchErrors
        BatchLabels BatchList BatchQuote BatchQuoteRequest BatchQuoteResponse BatchStatus BatchSummary Billing
        BillingParty BookNumber BookShipmentRequest BookedShipment CreateBatchRequest CustomerId DimType DimUnit
        ErrorResponse LabelImageFormat LabelImages LabelsRequest OkResponse PackageType Piece QuoteResult
        QuoteShipment QuoteStatus ResultStatus SearchRequest Service ServiceList Shipment ShipmentAddress
        ShipmentList ShipmentPiece SignatureOption Timestamp VoidRequest WeightUnit;
    deftship:
        AddBatchItemsRequest AddressToValidate AddressValidation AddressValidationEnvelope Balance
        BalanceEnvelope Batch BatchDetail BatchDetailEnvelope BatchEnvelope BatchId BatchResults BatchShipment
        BatchStatus BatchWithResults BatchWithResultsEnvelope BillType ContentType CreateBatchRequest
        CustomsDetails ErrorBody ExtraServices FromAddress Item ItemErrors ItemFilter ItemPage ItemStatus
        LengthUnit MergeLabelsRequest MergedLabels MergedLabelsEnvelope Package PackageDetail PackageDetailItem
        PackageItem Parcel ParcelEnvelope ParcelStatus RemoveBatchItemsRequest ShipmentOrder Signature
        SuggestedAddress TaxIdType ToAddress TrackingNumber WeightUnit;
}
