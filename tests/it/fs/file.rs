//! `File`: pieces, positions, writes behind, and operations that are dropped.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use coracle::blocking::{self, Pool};
use coracle::fs::{File, OpenOptions};
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::sync::remote::oneshot;

use super::{Folder, pattern};
use crate::support::{cut_at_every_poll, poll_once};

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new();
    let path = folder.join("file");
    let contents = pattern(1_000_000);
    coracle::block_on(async {
        let mut file = File::create(&path).await.unwrap();
        file.write_all(&contents).await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), contents, "after a flush the kernel has all");
        assert_eq!(file.metadata().await.unwrap().len(), 1_000_000);
        file.close().await.unwrap();

        let mut file = File::open(&path).await.unwrap();
        let mut found = Vec::new();
        assert_eq!(file.read_to_end(&mut found).await.unwrap(), 1_000_000);
        assert!(found == contents);
        assert_eq!(file.read(&mut [0; 10]).await.unwrap(), 0);
        assert_eq!(file.read(&mut []).await.unwrap(), 0);
    });
}

/// One write is as long as one trip takes; the rest is for the next.
#[test]
fn a_large_write_is_taken_piece_by_piece() {
    let folder = Folder::new();
    coracle::block_on(async {
        let mut file = File::create(folder.join("file")).await.unwrap();
        let contents = pattern(600_000);
        assert_eq!(file.write(&contents).await.unwrap(), 256 * 1024);
        assert_eq!(file.write(&[]).await.unwrap(), 0);
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 256 * 1024);
    });
}

#[test]
fn seeking_counts_from_all_three_places() {
    let folder = Folder::new();
    let path = folder.join("file");
    std::fs::write(&path, pattern(1000)).unwrap();
    coracle::block_on(async {
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        let mut buffer = [0; 10];
        for (to, at) in [(SeekFrom::Start(100), 100), (SeekFrom::Current(-50), 60), (SeekFrom::End(-10), 990)] {
            assert_eq!(file.seek(to).await.unwrap(), at);
            file.read_exact(&mut buffer).await.unwrap();
            assert_eq!(buffer, pattern(1000)[at as usize..][..10]);
        }
        let error = file.seek(SeekFrom::Current(-2000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 1000, "it has not moved");
        assert_eq!(file.seek(SeekFrom::Current(i64::MIN)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        file.set_len(500).await.unwrap();
        file.write_all(b"end").await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 1003);
    });
}

/// An error of what was written behind comes with the next operation, whichever it is, and once.
#[test]
fn an_error_of_a_write_comes_with_the_next_operation() {
    coracle::block_on(async {
        let mut full = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        assert_eq!(full.write(b"lost").await.unwrap(), 4);
        assert_eq!(full.flush().await.unwrap_err().kind(), ErrorKind::StorageFull);
        full.flush().await.unwrap();
        for next in 0..4 {
            assert_eq!(full.write(b"lost").await.unwrap(), 4);
            let error = match next {
                0 => full.write(b"more").await.unwrap_err(),
                1 => full.metadata().await.unwrap_err(),
                2 => full.seek(SeekFrom::Start(0)).await.unwrap_err(),
                _ => full.close().await.unwrap_err(),
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{next}");
            full.flush().await.unwrap();
        }
        full.write_all(b"lost").await.unwrap();
        assert_eq!(full.into_std().await.unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

/// Wherever a read is dropped, the next one goes on where the last one ended.
#[test]
fn a_dropped_read_loses_no_byte() {
    let folder = Folder::new();
    let path = folder.join("file");
    std::fs::write(&path, pattern(1000)).unwrap();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut file = File::open(&path).await.unwrap();
            let (mut first, mut found) = ([0; 600], Vec::new());
            if let Some(count) = cut.at(file.read(&mut first)).await {
                found.extend_from_slice(&first[..count.unwrap()]);
            }
            // Smaller than what may have been read for the first.
            let mut second = [0; 100];
            let count = file.read(&mut second).await.unwrap();
            found.extend_from_slice(&second[..count]);
            assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), found.len() as u64);
            file.read_to_end(&mut found).await.unwrap();
            assert!(found == pattern(1000));
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// A write after it happens where the reader is, not where the kernel has read on to.
#[test]
fn a_write_after_a_dropped_read_is_in_its_place() {
    let folder = Folder::new();
    let path = folder.join("file");
    let dropped = cut_at_every_poll(|cut| {
        std::fs::write(&path, pattern(100)).unwrap();
        coracle::block_on(async {
            let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
            let mut buffer = [0; 50];
            let read = cut.at(file.read(&mut buffer)).await.map_or(0, |count| count.unwrap());
            file.write_all(b"here").await.unwrap();
            let mut file = file.into_std().await.unwrap();
            assert_eq!(file.stream_position().unwrap(), read as u64 + 4);
            let mut expected = pattern(100);
            expected[read..][..4].copy_from_slice(b"here");
            assert_eq!(std::fs::read(&path).unwrap(), expected);
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// `written` bytes are written, no more and no less.
#[test]
fn a_dropped_write_has_written_what_it_said() {
    let folder = Folder::new();
    let contents = pattern(600_000);
    let dropped = cut_at_every_poll(|cut| {
        let path = folder.join("file");
        coracle::block_on(async {
            let mut file = File::create(&path).await.unwrap();
            let mut writing = file.write_all(&contents);
            let done = cut.at(&mut writing).await.is_some();
            let written = writing.written();
            assert!(!done || written == contents.len());
            file.flush().await.unwrap();
            assert!(std::fs::read(&path).unwrap() == contents[..written]);
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn a_seek_that_is_cut_comes_before_what_follows() {
    let folder = Folder::new();
    let path = folder.join("file");
    std::fs::write(&path, pattern(100)).unwrap();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut file = File::open(&path).await.unwrap();
            let sought = cut.at(file.seek(SeekFrom::Start(40))).await;
            let mut buffer = [0; 10];
            file.read_exact(&mut buffer).await.unwrap();
            let places = if sought.is_some() { vec![40] } else { vec![0, 40] };
            assert!(places.iter().any(|at| buffer == pattern(100)[*at..][..10]), "{sought:?}");
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn a_sync_that_is_cut_can_be_asked_again() {
    let folder = Folder::new();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let path = folder.join("file");
            let mut file = File::create(&path).await.unwrap();
            file.write_all(b"to stay").await.unwrap();
            drop(cut.at(file.sync_all()).await);
            file.sync_data().await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"to stay");
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// A file that is dropped with something under way is written all the same.
#[test]
fn a_file_that_is_dropped_is_written() {
    let folder = Folder::new();
    let path = folder.join("file");
    let pool = coracle::block_on(async {
        File::create(&path).await.unwrap().write_all(b"behind").await.unwrap();
        blocking::pool().unwrap()
    });
    pool.shutdown(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"behind");
}

/// What a pool's end takes away is told.
#[test]
fn a_write_that_its_pool_never_began_is_told() {
    let folder = Folder::new();
    let ((key, waits), (begins, begun)) = (oneshot::channel::<()>(), oneshot::channel());
    let runtime = coracle::Runtime::new();
    let mut file = runtime.block_on(File::create(folder.join("file"))).unwrap();
    runtime.enter(|| blocking::set_pool(Pool::builder().threads(1).build())).unwrap();
    let busy = runtime.enter(|| {
        blocking::submit(move || {
            begins.send(()).unwrap();
            waits.recv_blocking()
        })
    });
    begun.recv_blocking().unwrap();
    runtime.block_on(file.write_all(b"never")).unwrap();
    drop(runtime);
    let std::task::Poll::Ready(Err(error)) = poll_once(&mut file.flush()) else { panic!() };
    assert_eq!(error.to_string(), "the job was cancelled before it began");
    drop(key);
    assert!(busy.wait().unwrap().is_err());
    // In another runtime it goes on.
    coracle::block_on(async {
        file.write_all(b"again").await.unwrap();
        file.flush().await.unwrap();
    });
    assert_eq!(std::fs::read(folder.join("file")).unwrap(), b"again");
}

#[test]
fn files_come_from_std_and_go_back() {
    let folder = Folder::new();
    let path = folder.join("file");
    std::fs::write(&path, pattern(100)).unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    file.seek(SeekFrom::Start(10)).unwrap();
    let mut rest = Vec::new();
    coracle::block_on(async {
        let mut file = File::from_std(file);
        file.read_exact(&mut [0; 10]).await.unwrap();
        file.into_std().await.unwrap()
    })
    .read_to_end(&mut rest)
    .unwrap();
    assert_eq!(rest, pattern(100)[20..]);

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    let options = OpenOptions::from(options);
    let error = coracle::block_on(options.open(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// Nobody flushed: what a write took is there all the same when the file is dropped, also at the end of the runtime.
#[test]
fn what_was_accepted_is_written_before_a_file_is_gone() {
    let folder = Folder::new();
    let path = folder.join("accepted");
    for round in 0..50 {
        coracle::block_on(async {
            let mut file = File::create(&path).await.unwrap();
            file.write_all(b"hello").await.unwrap();
            file.write_all(b" world").await.unwrap();
            if round % 2 == 0 {
                drop(file);
                assert_eq!(std::fs::read(&path).unwrap(), b"hello world");
            }
        });
        assert_eq!(std::fs::read(&path).unwrap(), b"hello world", "round {round}");
    }
}
