//! Files, through the pool of threads.
//!
//! No kernel says when a file is ready: a read from a disk blocks. So each operation here is a closure for the
//! runtime's [pool](crate::blocking), with the functions of `std::fs` in it, and a trip to another thread and back,
//! some ten microseconds. It pays to do much at a time: [`read`] a file whole, and a [`File`] in large pieces. What
//! does many small things to files is best written with `std::fs` in one closure for
//! [`blocking::submit`](crate::blocking::submit).
//!
//! All of it works inside of a runtime only; elsewhere an operation fails and says so.

mod file;
mod operation;
mod options;

use std::ffi::OsString;
use std::fs::{FileType, Metadata, Permissions};
use std::io::Result;
use std::path::{Path, PathBuf};

pub use file::{AfterWrites, File, Seek};
pub use operation::Operation;
pub use options::OpenOptions;

/// An owned path: the closure may outlive the caller's.
fn owned(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref().to_owned()
}

/// The contents of a file.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// [`NotFound`](std::io::ErrorKind::NotFound) and the like; outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let bytes = coracle::fs::read("Cargo.toml").await.unwrap();
///     assert!(bytes.starts_with(b"[package]"));
/// });
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Operation<Vec<u8>> {
    let path = owned(path);
    Operation::new("fs::read", move || std::fs::read(path))
}

/// The contents of a file, which must be UTF-8.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// As [`read`]; [`InvalidData`](std::io::ErrorKind::InvalidData) if it is not UTF-8.
///
/// ```
/// coracle::block_on(async {
///     let text = coracle::fs::read_to_string("Cargo.toml").await.unwrap();
///     assert!(text.contains("coracle"));
/// });
/// ```
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> Operation<String> {
    let path = owned(path);
    Operation::new("fs::read_to_string", move || std::fs::read_to_string(path))
}

/// Makes a file with these contents, in the place of one that there may be. Not atomic: who needs that writes to
/// another name, and [`rename`]s.
///
/// **Cancel safety**: lossy, as [`Operation`] says; a file that is being written when it is dropped is written to the
/// end.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("coracle-doc-write-{}", std::process::id()));
/// coracle::block_on(async {
///     coracle::fs::write(&path, "contents").await.unwrap();
///     assert_eq!(coracle::fs::read(&path).await.unwrap(), b"contents");
///     coracle::fs::remove_file(&path).await.unwrap();
/// });
/// ```
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> Operation<()> {
    let (path, contents) = (owned(path), contents.into());
    Operation::new("fs::write", move || std::fs::write(path, contents))
}

/// Copies a file's contents and permissions. How many bytes.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("coracle-doc-copy-{}", std::process::id()));
/// coracle::block_on(async {
///     let bytes = coracle::fs::copy("Cargo.toml", &path).await.unwrap();
///     assert_eq!(coracle::fs::metadata(&path).await.unwrap().len(), bytes);
/// #   coracle::fs::remove_file(&path).await.unwrap();
/// });
/// ```
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<u64> {
    let (from, to) = (owned(from), owned(to));
    Operation::new("fs::copy", move || std::fs::copy(from, to))
}

/// Gives a file or directory another name, taking that of a file that there may be; in one step, if both lie in one
/// file system.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// # let old = std::env::temp_dir().join(format!("coracle-doc-old-{}", std::process::id()));
/// # let new = old.with_extension("new");
/// coracle::block_on(async {
///     coracle::fs::write(&old, "x").await.unwrap();
///     coracle::fs::rename(&old, &new).await.unwrap();
///     assert!(!coracle::fs::exists(&old).await.unwrap());
/// #   coracle::fs::remove_file(&new).await.unwrap();
/// });
/// ```
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<()> {
    let (from, to) = (owned(from), owned(to));
    Operation::new("fs::rename", move || std::fs::rename(from, to))
}

/// Removes a file.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let error = coracle::fs::remove_file("no such file").await.unwrap_err();
///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// });
/// ```
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> Operation<()> {
    let path = owned(path);
    Operation::new("fs::remove_file", move || std::fs::remove_file(path))
}

/// Removes an empty directory.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async { assert!(coracle::fs::remove_dir("src").await.is_err(), "it is not empty") });
/// ```
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> Operation<()> {
    let path = owned(path);
    Operation::new("fs::remove_dir", move || std::fs::remove_dir(path))
}

/// Removes a directory and everything in it. It does not follow symbolic links.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system, then part of it may be gone; outside of a runtime.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("coracle-doc-tree-{}", std::process::id()));
/// coracle::block_on(async {
///     coracle::fs::create_dir_all(path.join("a/b")).await.unwrap();
///     coracle::fs::remove_dir_all(&path).await.unwrap();
/// });
/// ```
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    let path = owned(path);
    Operation::new("fs::remove_dir_all", move || std::fs::remove_dir_all(path))
}

/// Makes a directory, whose parent must exist.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// [`AlreadyExists`](std::io::ErrorKind::AlreadyExists) and the like; outside of a runtime.
///
/// ```
/// coracle::block_on(async { assert!(coracle::fs::create_dir("src").await.is_err(), "there is one") });
/// ```
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> Operation<()> {
    let path = owned(path);
    Operation::new("fs::create_dir", move || std::fs::create_dir(path))
}

/// Makes a directory and its parents, as far as there are none.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async { coracle::fs::create_dir_all("src").await.unwrap() });
/// ```
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    let path = owned(path);
    Operation::new("fs::create_dir_all", move || std::fs::create_dir_all(path))
}

/// What is in a directory, by name, without `.` and `..`. All at once: a directory is read in one go, and of a million
/// entries this makes a million paths.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let entries = coracle::fs::read_dir("src").await.unwrap();
///     let found = entries.iter().find(|entry| entry.name() == "lib.rs").unwrap();
///     assert!(found.file_type().is_file() && found.path().ends_with("src/lib.rs"));
/// });
/// ```
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> Operation<Vec<DirEntry>> {
    let path = owned(path);
    Operation::new("fs::read_dir", move || {
        let mut entries = std::fs::read_dir(path)?.map(|entry| DirEntry::of(&entry?)).collect::<Result<Vec<_>>>()?;
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    })
}

/// What is in a directory; made by [`read_dir`].
///
/// ```
/// coracle::block_on(async {
///     assert!(coracle::fs::read_dir("src").await.unwrap().iter().any(|entry| entry.file_type().is_dir()));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct DirEntry {
    name: OsString,
    path: PathBuf,
    file_type: FileType,
}

impl DirEntry {
    fn of(entry: &std::fs::DirEntry) -> Result<DirEntry> {
        Ok(DirEntry { name: entry.file_name(), path: entry.path(), file_type: entry.file_type()? })
    }

    /// Its name, without the directory.
    ///
    /// ```
    /// # coracle::block_on(async {
    /// assert!(coracle::fs::read_dir("src").await.unwrap().iter().any(|entry| entry.name() == "lib.rs"));
    /// # });
    /// ```
    pub fn name(&self) -> &std::ffi::OsStr {
        &self.name
    }

    /// Its path: that of the directory as it was given, and the name.
    ///
    /// ```
    /// # coracle::block_on(async {
    /// assert!(coracle::fs::read_dir("src").await.unwrap()[0].path().starts_with("src"));
    /// # });
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is. A symbolic link is not followed.
    ///
    /// ```
    /// # coracle::block_on(async {
    /// assert!(coracle::fs::read_dir("src").await.unwrap().iter().any(|entry| entry.file_type().is_file()));
    /// # });
    /// ```
    pub fn file_type(&self) -> FileType {
        self.file_type
    }
}

/// What the system knows of a file or directory: size, times, permissions. Follows symbolic links.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async { assert!(coracle::fs::metadata("Cargo.toml").await.unwrap().len() > 0) });
/// ```
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    let path = owned(path);
    Operation::new("fs::metadata", move || std::fs::metadata(path))
}

/// The same of a symbolic link itself.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async { assert!(coracle::fs::symlink_metadata("src").await.unwrap().is_dir()) });
/// ```
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    let path = owned(path);
    Operation::new("fs::symlink_metadata", move || std::fs::symlink_metadata(path))
}

/// Whether there is such a file or directory. A broken symbolic link is none.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// If that cannot be known, for lack of permission for instance; outside of a runtime.
///
/// ```
/// coracle::block_on(async { assert!(coracle::fs::exists("Cargo.toml").await.unwrap()) });
/// ```
#[track_caller]
pub fn exists(path: impl AsRef<Path>) -> Operation<bool> {
    let path = owned(path);
    Operation::new("fs::exists", move || std::fs::exists(path))
}

/// The absolute path, without symbolic links, `.` and `..`.
///
/// **Cancel safety**: cancel-safe; nothing is changed.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// coracle::block_on(async { assert!(coracle::fs::canonicalize("src/../src").await.unwrap().ends_with("src")) });
/// ```
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> Operation<PathBuf> {
    let path = owned(path);
    Operation::new("fs::canonicalize", move || std::fs::canonicalize(path))
}

/// Sets the permissions of a file or directory.
///
/// **Cancel safety**: lossy, as [`Operation`] says.
///
/// # Errors
/// Those of the system; outside of a runtime.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("coracle-doc-permissions-{}", std::process::id()));
/// coracle::block_on(async {
///     coracle::fs::write(&path, "x").await.unwrap();
///     let mut permissions = coracle::fs::metadata(&path).await.unwrap().permissions();
///     permissions.set_readonly(true);
///     coracle::fs::set_permissions(&path, permissions).await.unwrap();
///     assert!(coracle::fs::metadata(&path).await.unwrap().permissions().readonly());
/// #   coracle::fs::remove_file(&path).await.unwrap();
/// });
/// ```
#[track_caller]
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Operation<()> {
    let path = owned(path);
    Operation::new("fs::set_permissions", move || std::fs::set_permissions(path, permissions))
}
