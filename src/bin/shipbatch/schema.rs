//! The JSON Schema of a line of orders: which fields there are, what each may hold, and which it must have.

use rust_decimal::Decimal;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::{
    line::Line,
    path::{Path, Step},
};

/// The schema of a vendor's line.
pub(crate) struct Schema {
    root: Value,
    blank: &'static [&'static str],
}

/// What a field without parts may hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaf {
    Text,
    /// A decimal that is written as text, so that it stays exact.
    Decimal,
    Number,
    Integer,
    Boolean,
    Date,
    OneOf(Vec<String>),
}

impl Schema {
    /// The schema of a line: that of the vendor's request, in an object beside the order's id.
    pub(crate) fn of<L: Line>() -> Self {
        let mut root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<L::Wire>().to_value();
        let definitions = root.as_object_mut().and_then(|root| root.remove("$defs")).unwrap_or_default();
        let dialect = root.as_object_mut().and_then(|root| root.remove("$schema")).unwrap_or_default();
        let id = json!({"type": ["string", "integer"], "description": "Your own id of the order"});
        let mut fields = Map::from_iter([("order_id".to_owned(), id)]);
        fields.extend(L::beside().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
        fields.insert("shipment".to_owned(), root);
        let root = json!({
            "$schema": dialect,
            "title": "Order",
            "type": "object",
            "properties": fields,
            "required": ["order_id", "shipment"],
            "additionalProperties": false,
            "$defs": definitions,
        });
        Self { root, blank: L::BLANK }
    }

    pub(crate) fn into_json(self) -> Value {
        self.root
    }

    /// A path as a column has it, from the line on.
    pub(crate) fn whole(&self, path: Path) -> Path {
        let beside = match path.0.first() {
            Some(Step::Name(name)) => self.root["properties"].get(name).is_some(),
            _ => false,
        };
        if beside { path } else { path.within("shipment") }
    }

    /// What a field may hold; nothing, if there is no such field, or if it has parts.
    pub(crate) fn leaf(&self, path: &Path) -> Option<Leaf> {
        let mut node = &self.root;
        for step in &path.0 {
            node = self.shapes(node).into_iter().find_map(|shape| match step {
                Step::Name(name) => shape.get("properties")?.get(name),
                Step::Index(_) => shape.get("items"),
            })?;
        }
        leaf(&self.shapes(node))
    }

    /// The required fields that a line lacks. `from`: what there is of it.
    pub(crate) fn missing(&self, line: &Value) -> Vec<Path> {
        let mut missing = Vec::new();
        self.look(&self.root, Some(line), &Path::default(), &mut missing);
        missing
    }

    /// Fills what is required and may well be empty.
    pub(crate) fn fill(&self, line: &mut Value) {
        for blank in self.blank {
            let Some((parent, name)) = blank.rsplit_once('/') else { continue };
            if let Some(Value::Object(fields)) = line.pointer_mut(parent) {
                fields.entry(name).or_insert_with(|| Value::String(String::new()));
            }
        }
    }

    /// Whether a field is required and may well be empty.
    fn may_be_blank(&self, path: &Path) -> bool {
        self.blank.iter().any(|blank| {
            blank.strip_prefix("/shipment/").map(|blank| blank.replace('/', ".")) == Some(path.to_string())
        })
    }

    /// Notes the required fields below a node; without a value, those that it would have to have.
    fn look(&self, node: &Value, value: Option<&Value>, path: &Path, missing: &mut Vec<Path>) {
        let shapes = self.shapes(node);
        if leaf(&shapes).is_some() && value.is_none() {
            if !self.may_be_blank(path) {
                missing.push(path.clone());
            }
            return;
        }
        for shape in shapes {
            if let (Some(items), Some(Value::Array(values))) = (shape.get("items"), value) {
                for (index, value) in values.iter().enumerate() {
                    self.look(items, Some(value), &path.then(Step::Index(index)), missing);
                }
            } else if let (Some(items), None) = (shape.get("items"), value) {
                self.look(items, None, &path.then(Step::Index(0)), missing);
            }
            for (name, node) in shape.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let required =
                    shape["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name));
                let inner = value.and_then(|value| value.get(name)).filter(|value| !value.is_null());
                if required || inner.is_some() {
                    self.look(node, inner, &path.then(Step::Name(name.clone())), missing);
                }
            }
        }
    }

    /// A node without its references and alternatives: the shapes that what stands there may have, but null.
    fn shapes<'a>(&'a self, node: &'a Value) -> Vec<&'a Value> {
        let reference = node.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        let target = reference.and_then(|path| self.root.pointer(path));
        let others = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| node.get(key)?.as_array()).flatten();
        let mut shapes: Vec<&Value> = target.into_iter().chain(others).flat_map(|node| self.shapes(node)).collect();
        if node.get("type").is_some_and(|kind| kind != "null") || node.get("properties").is_some() {
            shapes.push(node);
        }
        shapes
    }
}

/// What these shapes hold; nothing, if they have parts.
fn leaf(shapes: &[&Value]) -> Option<Leaf> {
    let is = |wanted: &str| {
        shapes.iter().any(|shape| match &shape["type"] {
            Value::String(kind) => kind == wanted,
            Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
            _ => false,
        })
    };
    let values: Vec<String> = shapes
        .iter()
        .filter_map(|shape| shape.get("enum")?.as_array())
        .flatten()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect();
    match () {
        () if !values.is_empty() => Some(Leaf::OneOf(values)),
        () if is("string") && is("number") => Some(Leaf::Decimal),
        () if shapes.iter().any(|shape| shape["format"] == "date") => Some(Leaf::Date),
        () if is("string") => Some(Leaf::Text),
        () if is("integer") => Some(Leaf::Integer),
        () if is("number") => Some(Leaf::Number),
        () if is("boolean") => Some(Leaf::Boolean),
        () => None,
    }
}

impl Leaf {
    /// A cell's text as the field holds it. Otherwise: what was expected.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let decimal = |text: &str| text.parse::<Decimal>().map_err(|_| "a number such as 4.9".to_owned());
        match self {
            Self::Text => Ok(text.into()),
            // As it was written: trailing zeros are the vendor's business.
            Self::Decimal => decimal(text).map(|_| text.into()),
            Self::Number => decimal(text).and_then(|number| {
                serde_json::from_str(&number.to_string()).map_err(|_| "a number such as 4.9".to_owned())
            }),
            Self::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "a whole number such as 2".to_owned()),
            Self::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" => Ok(true.into()),
                "false" | "no" => Ok(false.into()),
                _ => Err("true or false".to_owned()),
            },
            Self::Date => match text.parse::<jiff::civil::Date>() {
                Ok(date) => Ok(date.to_string().into()),
                Err(_) => Err("a date such as 2026-11-21".to_owned()),
            },
            Self::OneOf(values) if values.iter().any(|value| value == text) => Ok(text.into()),
            Self::OneOf(values) => Err(format!("one of {}", values.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Deftship, Desk, SmartSend, Xps};

    fn leaf_of<D: Desk>(path: &str) -> Option<Leaf> {
        let schema = Schema::of::<D::Line>();
        schema.leaf(&schema.whole(path.parse().unwrap()))
    }

    #[test]
    fn fields_hold_what_the_vendor_says() {
        assert_eq!(leaf_of::<Xps>("order_id"), Some(Leaf::Text));
        assert_eq!(leaf_of::<Xps>("receiver.zip"), Some(Leaf::Text));
        assert_eq!(leaf_of::<Xps>("pieces.3.weight"), Some(Leaf::Decimal));
        assert_eq!(leaf_of::<Xps>("residential"), Some(Leaf::Boolean));
        assert_eq!(leaf_of::<Xps>("shipmentDate"), Some(Leaf::Date));
        assert_eq!(leaf_of::<Xps>("dimUnit"), Some(Leaf::OneOf(vec!["in".to_owned(), "cm".to_owned()])));
        assert_eq!(leaf_of::<SmartSend>("parties.receiver.address.address_lines.1"), Some(Leaf::Text));
        assert_eq!(leaf_of::<SmartSend>("parcels.0.items.0.quantity"), Some(Leaf::Integer));
        assert_eq!(leaf_of::<SmartSend>("parcels.0.gross_weight"), Some(Leaf::Number));
        assert_eq!(leaf_of::<Deftship>("shipper_id"), Some(Leaf::Integer));
        assert_eq!(leaf_of::<Deftship>("package_list.0.signature").map(|leaf| leaf.read("none").is_err()), Some(true));
        for none in ["receiver", "pieces", "pieces.0", "receiver.zipp", "pieces.weight", "0", "shipper_id"] {
            assert_eq!(leaf_of::<Xps>(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_required_is_named_as_deep_as_it_is() {
        let schema = Schema::of::<<SmartSend as Desk>::Line>();
        let line = json!({"order_id": "A", "shipment": {"currency": "EUR", "parties": {"pickup": {}}, "delivery": {}}});
        let missing: Vec<String> = schema.missing(&line).iter().map(Path::to_string).collect();
        assert_eq!(
            missing,
            [
                "parties.receiver.address.city",
                "parties.receiver.address.country",
                "parties.receiver.contact.name_lines.0"
            ]
        );
    }

    #[test]
    fn a_cell_is_read_as_its_field() {
        assert_eq!(Leaf::Number.read("4.90").unwrap().to_string(), "4.9");
        assert_eq!(Leaf::Decimal.read("4.90"), Ok("4.90".into()));
        assert_eq!(Leaf::Boolean.read("TRUE"), Ok(true.into()));
        assert_eq!(Leaf::Text.read("02108"), Ok("02108".into()));
        for (leaf, text) in [(Leaf::Number, "4,9"), (Leaf::Integer, "4.9"), (Leaf::Date, "21/11/2026")] {
            assert!(leaf.read(text).is_err(), "{text}");
        }
    }
}
