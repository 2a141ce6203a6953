//! Orders as JSON Lines: `{"order_id": …, "shipment": {the vendor's own request}}`.

use std::io::{self, BufRead};

use serde::de::DeserializeOwned;
use serde_ignored::Path as Ignored;
use serde_json::Value;
use serde_path_to_error::Track;

use super::Settings;

/// What some editors and spreadsheets put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Gives each line, read or with what is wrong, and its number.
pub(super) fn read<L: DeserializeOwned>(
    mut input: impl BufRead,
    settings: &Settings,
    mut each: impl FnMut(usize, Result<L, Vec<String>>),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line = bytes.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(&bytes).trim_ascii();
        if !line.is_empty() {
            each(number, decode(line, settings).map_err(|problem| vec![format!(": {problem}")]));
        }
    }
    Ok(())
}

/// A line, or what is wrong and at which field.
fn decode<L: DeserializeOwned>(line: &[u8], settings: &Settings) -> Result<L, String> {
    let mut json = serde_json::Deserializer::from_slice(line);
    if settings.is_empty() {
        let read = typed(&mut json).and_then(|read| json.end().map(|()| read).map_err(|error| (String::new(), error)));
        return read.map_err(|(path, error)| problem(&error, &path));
    }
    let mut value: Value = serde_json::from_slice(line).map_err(|error| problem(&error, ""))?;
    settings.apply(&mut value)?;
    typed(value).map_err(|(path, error)| problem(&error, &path))
}

/// Reads a line of any form; otherwise what is wrong, and at which field.
pub(super) fn typed<'de, L: DeserializeOwned, D>(input: D) -> Result<L, (String, serde_json::Error)>
where
    D: serde::Deserializer<'de, Error = serde_json::Error>,
{
    let mut unknown = Vec::new();
    let mut note = |path: Ignored<'_>| unknown.push(written(&path));
    let mut track = Track::new();
    let tracked =
        serde_path_to_error::Deserializer::new(serde_ignored::Deserializer::new(input, &mut note), &mut track);
    let decoded = L::deserialize(tracked).map_err(|error| (track.path().to_string(), error))?;
    // A misspelt field would silently not be sent.
    if !unknown.is_empty() {
        return Err((unknown.join(", "), serde::de::Error::custom("the vendor's request has no such field")));
    }
    Ok(decoded)
}

/// An error of a line in our words: the line has its number already.
pub(super) fn problem(error: &serde_json::Error, path: &str) -> String {
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())).unwrap_or(&text);
    if !error.is_data() {
        return format!("{text} (column {})", error.column());
    }
    if path.is_empty() || path == "." { text.to_owned() } else { format!("{path}: {text}") }
}

/// A field's path in the form in which `serde_path_to_error` writes it.
fn written(path: &Ignored<'_>) -> String {
    let joined = |parent: &Ignored<'_>, key: &str| match written(parent) {
        parent if parent.is_empty() => key.to_owned(),
        parent => format!("{parent}.{key}"),
    };
    match path {
        Ignored::Root => String::new(),
        Ignored::Seq { parent, index } => format!("{}[{index}]", written(parent)),
        Ignored::Map { parent, key } => joined(parent, key),
        Ignored::Some { parent } | Ignored::NewtypeStruct { parent } | Ignored::NewtypeVariant { parent } => {
            written(parent)
        }
    }
}
