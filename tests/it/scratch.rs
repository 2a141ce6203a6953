//! A folder for the journals of one test.

use std::path::Path;

use tempfile::TempDir;

/// A folder that goes with the test. It is in memory where the system has such a place: a journal is synced to its disk
/// at each step, which costs nothing there, and a process that dies loses no more there than on a disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Such a folder, for journals.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(folder())
    }

    /// The address of a journal in it.
    pub(crate) fn journal(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}
