//! Pages of a label, in a file on disk, and whose they are.

use std::{path::Path, sync::Arc};

use lopdf::Document;

use super::{Folder, Label};
use crate::{Error, Result, error::Kind};

/// Pages of one file that belong to one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    pub(crate) file: Arc<Path>,
    pub(crate) pages: Pages,
}

/// Which pages of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pages {
    All,
    /// By their numbers, from 1.
    Some(Vec<u32>),
}

impl Sheet {
    /// The pages of a label that was written before; nothing, if they are no pages.
    pub(super) fn of(label: &Label) -> Option<Self> {
        let (first, count) = (u32::try_from(label.page).ok()?, u32::try_from(label.pages).ok()?);
        let pages = Pages::Some((first..first.checked_add(count)?).collect());
        Some(Self { file: label.path.clone(), pages })
    }

    /// All of a file.
    pub(crate) fn whole(file: Arc<Path>) -> Self {
        Self { file, pages: Pages::All }
    }
}

/// Sorts the pages of a batch's files by the names of its orders: for each name its pages, none where they cannot be told
/// from another's. A file that could not be had leaves its orders without any.
pub(crate) async fn sort(folder: &Folder, files: Vec<Result<Arc<Path>>>, names: Vec<String>) -> Vec<Vec<Sheet>> {
    let _turn = folder.turn().await;
    let orders = names.len();
    let work = move || {
        let all = files.len();
        let read: Vec<(Arc<Path>, Vec<String>)> =
            files.into_iter().flatten().filter_map(|file| Some((file.clone(), texts(&file).ok()?))).collect();
        let texts: Vec<&str> = read.iter().flat_map(|(_, texts)| texts).map(String::as_str).collect();
        let owned = owned(&texts, &names, read.len() == all);
        owned.into_iter().map(|pages| sheets(&read, &pages)).collect()
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| vec![Vec::new(); orders])
}

/// Pages that are counted through several files, by their files.
fn sheets(files: &[(Arc<Path>, Vec<String>)], pages: &[usize]) -> Vec<Sheet> {
    let mut sheets = Vec::new();
    let mut before = 0;
    for (file, texts) in files {
        let own = before..before + texts.len();
        let numbers: Vec<u32> = pages
            .iter()
            .filter(|page| own.contains(page))
            .filter_map(|page| (page - before + 1).try_into().ok())
            .collect();
        if !numbers.is_empty() {
            sheets.push(Sheet { file: file.clone(), pages: Pages::Some(numbers) });
        }
        before = own.end;
    }
    sheets
}

/// What is printed on each page, as far as it can be read.
fn texts(file: &Path) -> Result<Vec<String>> {
    let document = load(file)?;
    let text = |page: &u32| document.extract_text_chunks(&[*page]).into_iter().flatten().collect::<String>();
    Ok(document.get_pages().keys().map(|page| signs(&text(page))).collect())
}

pub(crate) fn load(file: &Path) -> Result<Document> {
    let unreadable = |why: &str| Error::new(Kind::Unreadable, format!("the label is no readable PDF: {why}"));
    let document = Document::load(file).map_err(|error| unreadable(&error.to_string()))?;
    if document.is_encrypted() { Err(unreadable("it is encrypted")) } else { Ok(document) }
}

/// The letters and digits: carriers print their numbers in groups.
fn signs(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Shorter names stand on other pages by chance.
const SHORTEST: usize = 6;

/// The pages of each name, among pages with these texts, which are all that there should be or not.
///
/// A page is its name's, of which exactly one stands on it. Pages without one, such as customs papers, belong to the page
/// before, unless they may as well be the label of a name that stands on none. If no page names anybody, a page for
/// each name is each in its place.
fn owned(texts: &[&str], names: &[String], all: bool) -> Vec<Vec<usize>> {
    let names: Vec<String> = names.iter().map(|name| signs(name)).collect();
    let owners: Vec<Option<usize>> = texts.iter().map(|text| owner(text, &names)).collect();
    if owners.iter().all(Option::is_none) {
        let in_place = all && texts.len() == names.len();
        return (0..names.len()).map(|place| if in_place { vec![place] } else { Vec::new() }).collect();
    }
    let mut owned: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for (page, owner) in owners.iter().enumerate() {
        if let Some(owner) = owner {
            owned[*owner].push(page);
        }
    }
    let someone_is_missing = !all || owned.iter().any(Vec::is_empty);
    let mut last = None;
    for (page, owner) in owners.into_iter().enumerate() {
        last = owner.or(last);
        if let (None, Some(last)) = (owner, last) {
            if someone_is_missing {
                // Its own, or another's label: to be fetched by itself, which settles it.
                owned[last].clear();
            } else {
                owned[last].push(page);
            }
        }
    }
    owned.iter_mut().for_each(|pages| pages.sort_unstable());
    owned
}

/// Whose page it is, if exactly one name stands on it.
fn owner(text: &str, names: &[String]) -> Option<usize> {
    let stands = |name: &String| name.len() >= SHORTEST && text.contains(name.as_str());
    let mut found = (0..names.len()).filter(|place| stands(&names[*place]));
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "TRACK00A";
    const B: &str = "TRACK00B";
    const C: &str = "TRACK00C";

    fn pages(texts: &[&str], all: bool) -> Vec<Vec<usize>> {
        owned(texts, &["TRACK 00A", "TRACK-00B", C].map(str::to_owned), all)
    }

    #[test]
    fn pages_are_told_by_the_name_on_them_in_any_order() {
        assert_eq!(pages(&[C, A, B], true), [vec![1], vec![2], vec![0]]);
    }

    #[test]
    fn a_missing_page_costs_the_others_nothing() {
        assert_eq!(pages(&[A, C], true), [vec![0], vec![], vec![1]]);
        assert_eq!(pages(&[A, B], false), [vec![0], vec![1], vec![]]);
    }

    #[test]
    fn several_pages_stay_together() {
        assert_eq!(pages(&[B, A, B, C], true), [vec![1], vec![0, 2], vec![3]]);
        assert_eq!(pages(&[A, "invoice", B, "invoice", "invoice", C], true), [vec![0, 1], vec![2, 3, 4], vec![5]]);
    }

    #[test]
    fn a_page_without_a_name_is_nobodys_while_a_label_is_missing() {
        // The second page is B's label, or more of A's.
        assert_eq!(pages(&[A, "a picture", C], true), [vec![], vec![], vec![2]]);
        assert_eq!(pages(&[A, B, "a picture", C], false), [vec![0], vec![], vec![3]]);
        assert_eq!(pages(&["a cover", A, B, C], true), [vec![1], vec![2], vec![3]]);
    }

    #[test]
    fn pages_without_any_name_are_in_their_place_if_there_is_one_for_each() {
        assert_eq!(pages(&["", "", ""], true), [vec![0], vec![1], vec![2]]);
        let nobodys = [const { Vec::<usize>::new() }; 3];
        assert_eq!(pages(&["", "", ""], false), nobodys);
        assert_eq!(pages(&["", ""], true), nobodys);
        assert_eq!(pages(&["", "", "", ""], true), nobodys);
    }

    #[test]
    fn a_page_with_two_names_is_no_label() {
        assert_eq!(pages(&[A, "TRACK00ATRACK00B", B, C], true), [vec![0, 1], vec![2], vec![3]]);
        let names = ["1".to_owned(), "123456".to_owned()];
        assert_eq!(
            owned(&["123456", "1"], &names, true),
            [const { Vec::<usize>::new() }; 2],
            "a short name stands anywhere"
        );
    }

    #[test]
    fn pages_are_counted_through_all_files() {
        let files: Vec<(Arc<Path>, Vec<String>)> =
            [("a", 2), ("b", 3)].map(|(file, pages)| (Path::new(file).into(), vec![String::new(); pages])).into();
        let shown: Vec<(String, Pages)> = sheets(&files, &[1, 2, 4])
            .into_iter()
            .map(|sheet| (sheet.file.display().to_string(), sheet.pages))
            .collect();
        assert_eq!(shown, [("a".to_owned(), Pages::Some(vec![2])), ("b".to_owned(), Pages::Some(vec![1, 3]))]);
    }
}
