//! What changed between two OpenAPI documents, and what each change does to a Rust caller of this crate. Two of the
//! curated specs are compared word for word; a curated one and a vendor's own by what they say of the wire alone.
//!
//! `breaking` is what makes a caller's code fail to compile, be refused by the vendor, or do something else than before;
//! `addition` is more to use; `note` is the rest. Both sides of a call count, and the lowering with them; a schema that
//! is both sent and answered counts as sent, as it is lowered:
//!
//! | what | request | answer |
//! |---|---|---|
//! | operation, schema, field, enum member removed or renamed | breaking | breaking |
//! | operation, schema added | addition | addition |
//! | field added | addition; breaking if required: the vendor refuses a request without it | addition |
//! | `Default` of a struct lost, by a field that has none | breaking | breaking |
//! | enum member added | addition: callers make the values | addition: answers' enums are open |
//! | required or not, nullable or not | breaking if the type changes with it; required always | the same, else note |
//! | type, format | breaking where the Rust type changes | the same |
//! | limit | breaking if tighter, addition if looser | note: answers are read without limits |
//! | parameter, body added or removed | breaking: arguments go by position | |
//! | default changed | breaking: left out, it means something else | note |
//! | status, content | | of a success breaking, unless any 2xx does; of an error note |
//! | `x-replay`, `x-open`, security | breaking | breaking |
//! | header of an answer, text, `x-source`, server, scopes, discriminator | note | note |

use std::{panic::resume_unwind, path::Path, process::ExitCode, thread};

use crate::{Result, lower};

mod change;
mod document;
mod merged;
mod operations;
mod rust;
mod schemas;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use change::Changes;

/// What the command fails with where a change breaks callers.
const BREAKING: u8 = 2;
/// Each schema on a chain of them takes some; what is never used is never there.
const STACK: usize = 1 << 30;

/// `cargo xtask diff OLD NEW [--markdown]`.
pub(crate) fn command(arguments: &[&str]) -> ExitCode {
    let (markdown, sources): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| **argument == "--markdown");
    let compared = match sources.as_slice() {
        [old, new] => between(Path::new("."), old, new).and_then(|changes| {
            let told = if markdown.is_empty() { changes.text() } else { changes.markdown(&format!("{old} → {new}")) };
            crate::print(&told).map(|()| changes.breaking())
        }),
        _ => Err(crate::USAGE.to_owned()),
    };
    match compared {
        Ok(true) => ExitCode::from(BREAKING),
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Compares two documents, each a file as seen from a folder, or `REV:path` in its repository.
pub(crate) fn between(folder: &Path, old: &str, new: &str) -> Result<Changes> {
    let module = [old, new].into_iter().find_map(vendor).unwrap_or_default();
    let compared = || {
        let (old, new) = (document::read(folder, old)?, document::read(folder, new)?);
        Ok(compare(&old, &new, module))
    };
    thread::scope(|scope| {
        let deep = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compared);
        let deep = deep.map_err(|error| format!("a thread: {error}"))?;
        deep.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn compare(old: &document::Document, new: &document::Document, module: &str) -> Changes {
    let mut walk = walk::Walk::new(old, new, module);
    walk.document();
    walk.operations();
    walk.schemas();
    walk.changes
}

/// The vendor whose spec it is, by the file's name.
fn vendor(source: &str) -> Option<&'static str> {
    let file = source.rsplit(['/', ':']).next()?;
    lower::VENDORS.into_iter().find(|vendor| file.split('.').next() == Some(vendor))
}
