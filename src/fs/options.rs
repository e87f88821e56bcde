//! [`OpenOptions`]: how a file is opened.

use std::panic::Location;
use std::path::Path;

use super::file::File;
use super::operation::Operation;

/// How a file is opened: as `std::fs::OpenOptions`, from which it can be made; for what only Unix has, such as a mode,
/// set it there.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("coracle-doc-options-{}", std::process::id()));
/// use coracle::{fs::{self, OpenOptions}, io::AsyncWriteExt};
/// coracle::block_on(async {
///     for line in ["one\n", "two\n"] {
///         let mut log = OpenOptions::new().append(true).create(true).open(&path).await.unwrap();
///         log.write_all(line.as_bytes()).await.unwrap();
///         log.flush().await.unwrap();
///     }
///     assert_eq!(fs::read_to_string(&path).await.unwrap(), "one\ntwo\n");
/// #   fs::remove_file(&path).await.unwrap();
/// });
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    options: std::fs::OpenOptions,
}

impl OpenOptions {
    /// Nothing set: such a file cannot be opened.
    ///
    /// ```
    /// coracle::block_on(async { assert!(coracle::fs::OpenOptions::new().open("Cargo.toml").await.is_err()) });
    /// ```
    #[allow(clippy::new_without_default, reason = "as in std")]
    pub fn new() -> OpenOptions {
        OpenOptions { options: std::fs::OpenOptions::new() }
    }

    /// For reading.
    ///
    /// ```
    /// coracle::block_on(async { coracle::fs::OpenOptions::new().read(true).open("Cargo.toml").await.unwrap() });
    /// ```
    pub fn read(&mut self, yes: bool) -> &mut OpenOptions {
        self.options.read(yes);
        self
    }

    /// For writing.
    ///
    /// ```
    /// coracle::fs::OpenOptions::new().write(true);
    /// ```
    pub fn write(&mut self, yes: bool) -> &mut OpenOptions {
        self.options.write(yes);
        self
    }

    /// For writing, each time at the end.
    ///
    /// ```
    /// coracle::fs::OpenOptions::new().append(true);
    /// ```
    pub fn append(&mut self, yes: bool) -> &mut OpenOptions {
        self.options.append(yes);
        self
    }

    /// What the file contains is removed.
    ///
    /// ```
    /// coracle::fs::OpenOptions::new().write(true).truncate(true);
    /// ```
    pub fn truncate(&mut self, yes: bool) -> &mut OpenOptions {
        self.options.truncate(yes);
        self
    }

    /// Makes the file if there is none.
    ///
    /// ```
    /// coracle::fs::OpenOptions::new().write(true).create(true);
    /// ```
    pub fn create(&mut self, yes: bool) -> &mut OpenOptions {
        self.options.create(yes);
        self
    }

    /// Makes the file, and fails if there is one, in one step.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let options = coracle::fs::OpenOptions::new().write(true).create_new(true).clone();
    ///     let error = options.open("Cargo.toml").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// });
    /// ```
    pub fn create_new(&mut self, yes: bool) -> &mut OpenOptions {
        self.options.create_new(yes);
        self
    }

    /// Opens the file, close-on-exec.
    ///
    /// **Cancel safety**: lossy, as [`Operation`] says; a file that was opened for nobody is closed.
    ///
    /// # Errors
    /// [`NotFound`](std::io::ErrorKind::NotFound) and the like; outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::fs::OpenOptions::new().read(true).open("Cargo.toml").await.unwrap() });
    /// ```
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Operation<File> {
        let (path, options, at) = (path.as_ref().to_owned(), self.options.clone(), Location::caller());
        Operation::new("File::open", move || Ok(File::new(options.open(path)?, at)))
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        OpenOptions { options }
    }
}
