//! Files of labels, read one at a time.

use std::{path::Path, sync::Arc};

use lopdf::{Document, ObjectId};

use super::{
    merger::{Merger, PageNumber},
    sheet::{Pages, Sheet, load},
};
use crate::{Error, Result, error::Kind};

/// The file that was read last: the next label is mostly in it, too.
#[derive(Default)]
pub(super) struct Shelf(Option<(Arc<Path>, Result<Source>)>);

struct Source {
    document: Document,
    pages: Vec<ObjectId>,
}

impl Shelf {
    /// Copies the pages of a label. `Err` is for what can be written no further, the inner one for this label alone.
    pub(super) fn copy(&mut self, label: &Result<Vec<Sheet>>, merger: &mut Merger) -> Result<Result<Vec<PageNumber>>> {
        let sheets = match label {
            Ok(sheets) => sheets,
            Err(error) => return Ok(Err(error.copy())),
        };
        let mut pages = Vec::new();
        for sheet in sheets {
            let source = match self.open(&sheet.file) {
                Ok(source) => source,
                Err(error) => return Ok(Err(error)),
            };
            match source.chosen(&sheet.pages) {
                Some(chosen) => pages.extend(merger.copy(&sheet.file, &source.document, &chosen)?),
                None => return Ok(Err(Error::new(Kind::Unreadable, "the label has no page"))),
            }
        }
        Ok(Ok(pages))
    }

    fn open(&mut self, file: &Arc<Path>) -> Result<&Source> {
        let last = self.0.take().filter(|(last, _)| last == file);
        let (_, source) = self.0.insert(last.unwrap_or_else(|| (file.clone(), Source::read(file))));
        source.as_ref().map_err(Error::copy)
    }
}

impl Source {
    fn read(file: &Path) -> Result<Self> {
        let document = load(file)?;
        let pages = document.page_iter().collect();
        Ok(Self { document, pages })
    }

    /// The pages that are wanted, if there are any, and all of them.
    fn chosen(&self, wanted: &Pages) -> Option<Vec<ObjectId>> {
        let chosen: Vec<ObjectId> = match wanted {
            Pages::All => self.pages.clone(),
            Pages::Some(numbers) => {
                let page = |number: &u32| self.pages.get((*number as usize).checked_sub(1)?).copied();
                numbers.iter().map(page).collect::<Option<_>>()?
            }
        };
        (!chosen.is_empty()).then_some(chosen)
    }
}
