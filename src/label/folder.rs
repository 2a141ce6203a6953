//! Files on their way to their place.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::{Error, Result, Transport, download::Downloads, error::Kind};

/// A folder for the files that labels are made of, beside the place where the labels go, so that a whole file only has to
/// be renamed. It is gone when this is dropped.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    files: AtomicUsize,
    downloads: Downloads,
    /// Held by whoever has the pages of a batch in memory.
    turn: Mutex<()>,
}

impl Folder {
    /// A folder in this one.
    pub(crate) fn within(parent: &Path) -> Result<Self> {
        // Labels bear names and addresses: nobody else may look into the folder.
        let folder = tempfile::Builder::new().prefix(".labels-").tempdir_in(parent);
        let folder = folder.map_err(|error| failed(parent, &error))?;
        Ok(Self { folder, files: AtomicUsize::new(0), downloads: Downloads::new()?, turn: Mutex::new(()) })
    }

    /// A folder beside a file to come.
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self::within(parent.unwrap_or(Path::new(".")))
    }

    /// A place for one more file.
    pub(crate) fn file(&self) -> Arc<Path> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{number}.pdf")).into()
    }

    /// Fetches a PDF that a vendor names by its address.
    pub(crate) async fn download(&self, transport: &Transport, address: &str) -> Result<Arc<Path>> {
        let file = self.file();
        self.downloads.pdf(transport, address, &file).await?;
        Ok(file)
    }

    /// Waits until nobody else has the pages of a batch in memory.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Writes a small file as a whole.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Arc<Path>> {
        let file = self.file();
        let write = || {
            use std::io::Write;
            let mut written = fs::File::create(&file)?;
            written.write_all(bytes)?;
            written.sync_all()
        };
        write().map_err(|error: std::io::Error| failed(&file, &error))?;
        Ok(file)
    }
}

/// Puts a whole file in its place: whoever looks sees all of it, or what was there before.
pub(crate) fn put(file: &Path, place: &Path) -> Result<()> {
    fs::rename(file, place).map_err(|error| failed(place, &error))
}

/// A path that means the same wherever the next run is started.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| failed(path, &error))
}

/// Makes a folder, where there is none.
pub(crate) fn make(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    Ok(folder.to_owned())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("{}: {error}", path.display()))
}
