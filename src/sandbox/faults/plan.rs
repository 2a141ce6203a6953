//! A plan of faults, and its text.

use std::{fmt, str::FromStr};

use super::operations::{self, Answer, Operation};
use crate::{Error, Vendor};

/// What goes wrong in a [`Sandbox`](super::super::Sandbox): the text and its meaning are in the [module](super).
///
/// No faults, unless it is parsed from text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults(pub(super) Vec<Rule>);

/// Where, what and when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    target: Target,
    pub(super) what: What,
    pub(super) when: When,
}

/// The operations of one vendor or all, of one name or all.
#[derive(Clone, Debug, PartialEq)]
struct Target {
    vendor: Option<Vendor>,
    id: Option<&'static str>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    DropBefore,
    DropAfter,
    /// 429, with the wait in seconds.
    Busy(u32),
    /// 429, with the wait as a date so many seconds ahead.
    BusyUntil(u32),
    ErrorBefore,
    ErrorAfter,
    /// So many milliseconds.
    Slow(u32),
    Hang,
    Truncate,
    Stuck,
    NewEnum,
    MissingLabel,
    Expired,
    Html,
}

/// To which of the calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    Always,
    /// The nth, from 1.
    Nth(u64),
    /// A share of them, in per cent.
    Share(f64),
}

/// The faults, as they are written.
const NAMES: &str = "drop-before, drop-after, 429, 429(SECONDS), 429-date(SECONDS), 500, 500-after, slow(MS), hang, \
                     truncate, stuck, new-enum, missing-label, expired, html";

impl Rule {
    /// Whether it counts a call of this operation.
    pub(super) fn concerns(&self, operation: &Operation) -> bool {
        self.target.names(operation) && self.what.suits(operation)
    }
}

impl Target {
    fn names(&self, operation: &Operation) -> bool {
        self.vendor.is_none_or(|vendor| vendor == operation.vendor) && self.id.is_none_or(|id| id == operation.id)
    }
}

impl What {
    /// Whether an answer of this operation has what the fault would change.
    fn suits(self, operation: &Operation) -> bool {
        match self {
            Self::Stuck => operation.is_read() && matches!(operation.answer, Answer::Status(_)),
            Self::NewEnum => matches!(operation.answer, Answer::Status(_)),
            Self::MissingLabel => matches!(operation.answer, Answer::Labels(_) | Answer::File),
            Self::Expired | Self::Html => operation.answer == Answer::File,
            _ => true,
        }
    }
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let rules = text.split(',').map(str::trim).map(|rule| {
            let refused = |why| Error::input(format!("fault {rule:?}: {why}"));
            rule.parse().map_err(refused)
        });
        rules.collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (target, rest) =
            text.split_once(':').ok_or("it has to be OPERATION:FAULT, OPERATION:FAULT@N or OPERATION:FAULT@P%")?;
        let (what, when) = rest.split_once('@').map_or((rest, None), |(what, when)| (what, Some(when)));
        let rule =
            Self { target: target.parse()?, what: what.parse()?, when: when.map_or(Ok(When::Always), str::parse)? };
        if !operations::ALL.iter().any(|operation| rule.concerns(operation)) {
            return Err(format!("no answer of {target} has what {what} changes"));
        }
        Ok(rule)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (vendor, name) = match text.split_once('.') {
            Some((vendor, name)) => (Some(vendor.parse().map_err(|_| format!("there is no vendor {vendor:?}"))?), name),
            None => (None, text),
        };
        if name == "*" {
            return Ok(Self { vendor, id: None });
        }
        let of_vendor = |operation: &&Operation| vendor.is_none_or(|vendor| vendor == operation.vendor);
        let named = operations::ALL.iter().filter(of_vendor).find(|operation| operation.id == name);
        match named {
            Some(operation) => Ok(Self { vendor, id: Some(operation.id) }),
            None => Err(format!("there is no operation {text:?}")),
        }
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, argument)) => {
                (name, Some(argument.parse().map_err(|_| format!("{argument:?} is not a whole number"))?))
            }
            None => (text, None),
        };
        match (name, argument) {
            ("drop-before", None) => Ok(Self::DropBefore),
            ("drop-after", None) => Ok(Self::DropAfter),
            ("429", seconds) => Ok(Self::Busy(seconds.unwrap_or(1))),
            ("429-date", Some(seconds)) => Ok(Self::BusyUntil(seconds)),
            ("500", None) => Ok(Self::ErrorBefore),
            ("500-after", None) => Ok(Self::ErrorAfter),
            ("slow", Some(milliseconds)) => Ok(Self::Slow(milliseconds)),
            ("hang", None) => Ok(Self::Hang),
            ("truncate", None) => Ok(Self::Truncate),
            ("stuck", None) => Ok(Self::Stuck),
            ("new-enum", None) => Ok(Self::NewEnum),
            ("missing-label", None) => Ok(Self::MissingLabel),
            ("expired", None) => Ok(Self::Expired),
            ("html", None) => Ok(Self::Html),
            _ => Err(format!("there is no fault {text:?}; there are {NAMES}")),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let when = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|share| *share > 0.0 && *share <= 100.0).map(Self::Share),
            None => text.parse().ok().filter(|nth| *nth > 0).map(Self::Nth),
        };
        when.ok_or_else(|| format!("{text:?} is neither a call's number, from 1, nor a share over 0% up to 100%"))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}:{}{}", rule.target, rule.what, rule.when)?;
        }
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(vendor) = self.vendor {
            write!(f, "{}.", vendor.name())?;
        }
        f.write_str(self.id.unwrap_or("*"))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropBefore => f.write_str("drop-before"),
            Self::DropAfter => f.write_str("drop-after"),
            Self::Busy(seconds) => write!(f, "429({seconds})"),
            Self::BusyUntil(seconds) => write!(f, "429-date({seconds})"),
            Self::ErrorBefore => f.write_str("500"),
            Self::ErrorAfter => f.write_str("500-after"),
            Self::Slow(milliseconds) => write!(f, "slow({milliseconds})"),
            Self::Hang => f.write_str("hang"),
            Self::Truncate => f.write_str("truncate"),
            Self::Stuck => f.write_str("stuck"),
            Self::NewEnum => f.write_str("new-enum"),
            Self::MissingLabel => f.write_str("missing-label"),
            Self::Expired => f.write_str("expired"),
            Self::Html => f.write_str("html"),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => Ok(()),
            Self::Nth(nth) => write!(f, "@{nth}"),
            Self::Share(share) => write!(f, "@{share}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_written_as_it_is_read() {
        for text in [
            "",
            "book_batch:drop-after@1,*:429(1)@5%,get_batch:slow(2000)@3",
            "xps.*:drop-before@0.5%,deftship.get_batch:stuck,smartsend.get_file:missing-label@2",
            "*:429-date(3),*:500,*:500-after,*:hang,*:truncate@100%,*:new-enum",
            "get_file:expired@1,deftship.*:html",
        ] {
            assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
        }
        assert_eq!(" *:429 , *:500 ".parse::<Faults>().unwrap().to_string(), "*:429(1),*:500");
    }

    #[test]
    fn errors_name_the_rule() {
        let said: String = [
            "*:500,book_batch",
            "*:500,",
            "buy_batch:500",
            "ups.*:500",
            "xps.ship_batch:500",
            "*:explode",
            "*:slow",
            "*:slow(long)",
            "*:hang(1)",
            "*:500@0",
            "*:500@0%",
            "*:500@101%",
            "*:500@NaN%",
            "book_batch:stuck",
            "get_label:expired",
        ]
        .into_iter()
        .map(|text| format!("{}\n", text.parse::<Faults>().unwrap_err()))
        .collect();
        insta::assert_snapshot!(said, @r#"
        fault "book_batch": it has to be OPERATION:FAULT, OPERATION:FAULT@N or OPERATION:FAULT@P%
        fault "": it has to be OPERATION:FAULT, OPERATION:FAULT@N or OPERATION:FAULT@P%
        fault "buy_batch:500": there is no operation "buy_batch"
        fault "ups.*:500": there is no vendor "ups"
        fault "xps.ship_batch:500": there is no operation "xps.ship_batch"
        fault "*:explode": there is no fault "explode"; there are drop-before, drop-after, 429, 429(SECONDS), 429-date(SECONDS), 500, 500-after, slow(MS), hang, truncate, stuck, new-enum, missing-label, expired, html
        fault "*:slow": there is no fault "slow"; there are drop-before, drop-after, 429, 429(SECONDS), 429-date(SECONDS), 500, 500-after, slow(MS), hang, truncate, stuck, new-enum, missing-label, expired, html
        fault "*:slow(long)": "long" is not a whole number
        fault "*:hang(1)": there is no fault "hang(1)"; there are drop-before, drop-after, 429, 429(SECONDS), 429-date(SECONDS), 500, 500-after, slow(MS), hang, truncate, stuck, new-enum, missing-label, expired, html
        fault "*:500@0": "0" is neither a call's number, from 1, nor a share over 0% up to 100%
        fault "*:500@0%": "0%" is neither a call's number, from 1, nor a share over 0% up to 100%
        fault "*:500@101%": "101%" is neither a call's number, from 1, nor a share over 0% up to 100%
        fault "*:500@NaN%": "NaN%" is neither a call's number, from 1, nor a share over 0% up to 100%
        fault "book_batch:stuck": no answer of book_batch has what stuck changes
        fault "get_label:expired": no answer of get_label has what expired changes
        "#);
    }
}
