//! Where a field stands in a line, as a column names it: `receiver.name`, `pieces.0.weight`.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

/// A step towards a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Index(usize),
    Name(String),
}

/// The steps from a line to a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// The path of what stands at this step.
    pub(crate) fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The same within this object.
    pub(crate) fn within(self, name: &str) -> Self {
        Self(std::iter::once(Step::Name(name.to_owned())).chain(self.0).collect())
    }

    /// What stands there, if it is no null.
    pub(crate) fn of<'a>(&self, mut value: &'a Value) -> Option<&'a Value> {
        for step in &self.0 {
            value = match step {
                Step::Name(name) => value.get(name)?,
                Step::Index(index) => value.get(index)?,
            };
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// Puts something there. What is on the way is made; only a list has no gaps.
    pub(crate) fn put(&self, mut value: &mut Value, new: Value) -> Result<(), String> {
        for step in &self.0 {
            value = match step {
                Step::Name(name) => {
                    if value.is_null() {
                        *value = Map::new().into();
                    }
                    let Some(fields) = value.as_object_mut() else { return Err("it is no object there".to_owned()) };
                    fields.entry(name).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if value.is_null() {
                        *value = Value::Array(Vec::new());
                    }
                    let Some(items) = value.as_array_mut() else { return Err("it is no list there".to_owned()) };
                    if *index > items.len() {
                        return Err(format!(
                            "number {} of the list is there, and number {} is not",
                            index,
                            items.len()
                        ));
                    }
                    if *index == items.len() {
                        items.push(Value::Null);
                    }
                    &mut items[*index]
                }
            };
        }
        *value = new;
        Ok(())
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = |part: &str| match part.parse() {
            _ if part.is_empty() => Err(format!("{text:?} is no path such as receiver.name or pieces.0.weight")),
            Ok(index) => Ok(Step::Index(index)),
            Err(_) => Ok(Step::Name(part.to_owned())),
        };
        text.split('.').map(step).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Path {
    /// As a column names it: what is in the shipment is named without it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = match self.0.first() {
            Some(Step::Name(name)) if name == "shipment" && self.0.len() > 1 => &self.0[1..],
            _ => &self.0,
        };
        for (place, step) in inner.iter().enumerate() {
            f.write_str(if place > 0 { "." } else { "" })?;
            match step {
                Step::Name(name) => f.write_str(name)?,
                Step::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_put_where_the_path_says() {
        let mut line = Value::Null;
        for (path, new) in [("order_id", "A"), ("shipment.pieces.0.weight", "1"), ("shipment.pieces.1.weight", "2")] {
            path.parse::<Path>().unwrap().put(&mut line, new.into()).unwrap();
        }
        assert_eq!(line, json!({"order_id": "A", "shipment": {"pieces": [{"weight": "1"}, {"weight": "2"}]}}));
        let path: Path = "shipment.pieces.3.weight".parse().unwrap();
        assert_eq!(
            path.put(&mut line, "3".into()),
            Err("number 3 of the list is there, and number 2 is not".to_owned())
        );
        assert_eq!(path.to_string(), "pieces.3.weight");
        assert!("a..b".parse::<Path>().is_err());
    }
}
