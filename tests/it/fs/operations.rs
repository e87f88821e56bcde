//! The functions: each once, their errors, and what is left when one is dropped.

use std::io::ErrorKind;
use std::time::Duration;

use coracle::blocking::{self, Pool};
use coracle::fs;
use coracle::sync::remote::oneshot;

use super::{Folder, pattern};
use crate::support::{alone, cut_at_every_poll, descriptors, poll_once};

#[test]
fn a_file_is_written_renamed_copied_read_and_removed() {
    let folder = Folder::new();
    coracle::block_on(async {
        let (one, two, three) = (folder.join("one"), folder.join("two"), folder.join("three"));
        let contents = pattern(300_000);
        fs::write(&one, contents.clone()).await.unwrap();
        fs::rename(&one, &two).await.unwrap();
        assert_eq!((fs::exists(&one).await.unwrap(), fs::exists(&two).await.unwrap()), (false, true));
        assert_eq!(fs::copy(&two, &three).await.unwrap(), 300_000);
        assert_eq!(fs::read(&three).await.unwrap(), contents);
        assert_eq!(fs::metadata(&three).await.unwrap().len(), 300_000);
        fs::write(&three, "shorter").await.unwrap();
        assert_eq!(fs::read_to_string(&three).await.unwrap(), "shorter");
        fs::remove_file(&two).await.unwrap();
        assert_eq!(fs::remove_file(&two).await.unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::write(&three, [0xff]).unwrap();
        assert_eq!(fs::read_to_string(&three).await.unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn directories_are_made_listed_by_name_and_removed() {
    let folder = Folder::new();
    coracle::block_on(async {
        let root = folder.join("root");
        fs::create_dir_all(root.join("b/deep")).await.unwrap();
        fs::create_dir(root.join("a")).await.unwrap();
        assert_eq!(fs::create_dir(root.join("a")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::write(root.join("file"), "x").await.unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();

        let entries = fs::read_dir(&root).await.unwrap();
        let kind = |entry: &fs::DirEntry| match entry.file_type() {
            it if it.is_dir() => "directory",
            it if it.is_file() => "file",
            _ => "other",
        };
        let seen: Vec<_> = entries.iter().map(|entry| (entry.name().to_str().unwrap(), kind(entry))).collect();
        assert_eq!(seen, [("a", "directory"), ("b", "directory"), ("file", "file"), ("link", "other")]);
        assert_eq!(entries[1].path(), root.join("b"));

        let link = root.join("link");
        assert!(!fs::exists(&link).await.unwrap() && fs::metadata(&link).await.is_err());
        assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
        assert_eq!(
            fs::canonicalize(root.join("a/../b")).await.unwrap(),
            std::fs::canonicalize(root.join("b")).unwrap()
        );

        assert!(fs::remove_dir(&root).await.is_err(), "it is not empty");
        fs::remove_dir(root.join("a")).await.unwrap();
        fs::remove_dir_all(&root).await.unwrap();
        assert_eq!(fs::read_dir(&root).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn outside_of_a_runtime_an_operation_says_so() {
    let std::task::Poll::Ready(Err(error)) = poll_once(&mut fs::read("Cargo.toml")) else { panic!() };
    assert!(error.to_string().contains("no runtime on this thread"), "{error}");
}

/// An open that blocks, of a pipe that nobody writes to, holds no task up.
#[test]
fn the_loop_goes_on_while_an_open_blocks() {
    let folder = Folder::new();
    let pipe = folder.join("pipe");
    let path = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: a string that ends with a zero and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    coracle::block_on(async {
        let line = line!() + 1;
        let reading = coracle::spawn(fs::read_to_string(pipe.clone()));
        let running = loop {
            coracle::time::sleep(Duration::from_millis(1)).await;
            let running = blocking::pool().unwrap().inspect().running;
            if !running.is_empty() {
                break running;
            }
        };
        assert!(!reading.is_finished());
        assert_eq!(running[0].name(), Some("fs::read_to_string"));
        assert_eq!((running[0].at().file(), running[0].at().line()), (file!(), line));
        fs::write(&pipe, "at last").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), "at last");
    });
}

/// Dropped before a thread took it, an operation is never carried out; before its first poll, it is not even submitted.
#[test]
fn an_operation_that_is_dropped_in_the_queue_is_never_carried_out() {
    let folder = Folder::new();
    let runtime = coracle::Runtime::new();
    runtime.enter(|| blocking::set_pool(Pool::builder().threads(1).build())).unwrap();
    runtime.block_on(async {
        let (key, waits) = oneshot::channel::<()>();
        let busy = blocking::submit(move || waits.recv_blocking());
        let mut write = fs::write(folder.join("never"), "x");
        assert_eq!(blocking::pool().unwrap().inspect().queued + blocking::pool().unwrap().inspect().running.len(), 1);
        assert!(poll_once(&mut write).is_pending());
        drop(write);
        key.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert_eq!(fs::read_dir(&folder.0).await.unwrap().len(), 0);
    });
}

/// Dropped later, it is carried out whole.
#[test]
fn an_operation_that_is_cut_is_done_whole_or_not_at_all() {
    let contents = pattern(100_000);
    let dropped = cut_at_every_poll(|cut| {
        let folder = Folder::new();
        let path = folder.join("file");
        let runtime = coracle::Runtime::new();
        let pool = runtime.block_on(async {
            let pool = blocking::pool().unwrap();
            let written = cut.at(fs::write(&path, contents.clone())).await;
            written.into_iter().for_each(|written| written.unwrap());
            pool
        });
        pool.shutdown(Duration::from_secs(20)).unwrap();
        match std::fs::read(&path) {
            Ok(found) => assert_eq!(found, contents),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn no_descriptor_is_left_open() {
    alone("fs::operations::no_descriptor_is_left_open", || {
        let before = descriptors();
        let folder = Folder::new();
        cut_at_every_poll(|cut| {
            let runtime = coracle::Runtime::new();
            let pool = runtime.block_on(async {
                let pool = blocking::pool().unwrap();
                drop(cut.at(fs::File::create(folder.join("file"))).await);
                pool
            });
            pool.shutdown(Duration::from_secs(20)).unwrap();
        });
        assert_eq!(descriptors(), before);
    });
}
