//! The files that a wave leaves: the labels and the report.

use std::path::{Path, PathBuf};

use shipbatch::{Journal, LabelIndex, LabelSource, Report};

use crate::{
    Failure,
    table::{Rows, Table},
};

/// What is to be written when a wave has ended.
pub(crate) struct Files {
    table: Option<Table>,
    labels: Option<PathBuf>,
}

impl Files {
    /// Checks where they are to be, before anything is sent: not where something is that is read.
    pub(crate) fn check(
        table: Option<&Path>,
        labels: Option<&Path>,
        orders: &Path,
        journal: &str,
    ) -> Result<Self, Failure> {
        for (flag, path) in [("--report", table), ("--labels", labels)] {
            let Some(path) = path else { continue };
            if is_same(path, orders) {
                return Err(Failure::new(format!("{flag} {}: the orders are there", path.display())));
            }
            apart_from(flag, path, journal)?;
        }
        let table = table.map(|path| Table::new("--report", path, None)).transpose()?;
        if let Some(labels) = labels {
            pdf("--labels", labels)?;
            // The index of the labels stands beside them under the same name.
            let index = labels.with_extension("pages.csv");
            if table.as_ref().is_some_and(|table| table.path() == index) {
                let text = format!("--report {}: the index of the labels is written there", index.display());
                return Err(Failure::new(text));
            }
        }
        Ok(Self { table, labels: labels.map(Path::to_owned) })
    }

    /// Where the labels are to be.
    pub(crate) fn labels(&self) -> Option<&Path> {
        self.labels.as_deref()
    }

    /// Writes the labels, if they are wanted and there are any.
    pub(crate) async fn write_labels<C: LabelSource>(
        &self,
        client: &C,
        report: &Report,
        journal: &Journal,
    ) -> Result<Option<LabelIndex>, Failure> {
        let Some(path) = self.labels().filter(|_| report.counts().booked > 0) else { return Ok(None) };
        Ok(Some(report.labels(client).journal(journal).write_pdf(path).await?))
    }

    /// Whether the report tells of when things happened.
    pub(crate) fn tells_times(&self) -> bool {
        self.table.as_ref().is_some_and(Table::tells_times)
    }

    /// Writes the report, if it is wanted; where it is.
    pub(crate) fn write_table(&self, rows: &Rows<'_>) -> Result<Option<&Path>, Failure> {
        let Some(table) = &self.table else { return Ok(None) };
        table.write(rows)?;
        Ok(Some(table.path()))
    }
}

/// Refuses to write over a journal, or over one of the files that belong to it.
pub(crate) fn apart_from(flag: &str, path: &Path, journal: &str) -> Result<(), Failure> {
    let journal = journal.strip_prefix("sqlite://").or_else(|| journal.strip_prefix("sqlite:")).unwrap_or(journal);
    let files = ["", "-wal", "-shm", ".lock"].map(|end| format!("{journal}{end}"));
    if files.iter().any(|file| is_same(path, Path::new(file))) {
        return Err(Failure::new(format!("{flag} {}: the journal is there", path.display())));
    }
    Ok(())
}

/// Whether two paths name one file, which may not be there yet.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    real(one).is_some_and(|one| Some(one) == real(other))
}

/// Checks, before anything is sent, that a PDF can be where it is wanted.
pub(crate) fn pdf(flag: &str, path: &Path) -> Result<(), Failure> {
    if path.extension() != Some("pdf".as_ref()) {
        return Err(Failure::new(format!("{flag} {}: not a .pdf file", path.display())));
    }
    writable(flag, path)
}

/// Checks, before anything is sent, that a file can be where it is wanted.
pub(crate) fn writable(flag: &str, path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::new(format!("{flag} {}: there is no folder {}", path.display(), folder.display())));
    }
    if path.is_dir() {
        return Err(Failure::new(format!("{flag} {}: it is a folder", path.display())));
    }
    Ok(())
}
