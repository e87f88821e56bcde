//! Operations on files: lossy, and what is lost is only how it went. Each is carried out whole or not at all.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use coracle::Runtime;
use coracle::blocking;
use coracle::fs::{self, File, OpenOptions, Operation};
use coracle::io::AsyncWriteExt;

use crate::fs::Folder;
use crate::support::{Cut, alone, cut_at_every_poll, descriptors};

/// What there is before each operation.
const BEFORE: &str = "a: hello, empty/, tree/, tree/b: deep";

fn prepared() -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.join("a"), "hello").unwrap();
    std::fs::create_dir(folder.join("empty")).unwrap();
    std::fs::create_dir(folder.join("tree")).unwrap();
    std::fs::write(folder.join("tree/b"), "deep").unwrap();
    folder
}

/// All that is in a directory, by name; `!` marks what may not be written.
fn listing(root: &Path) -> String {
    fn walk(root: &Path, at: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                found.push(format!("{name}/"));
                walk(root, &path, found);
            } else {
                let mark = if path.metadata().unwrap().permissions().readonly() { "!" } else { "" };
                found.push(format!("{name}{mark}: {}", std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found.join(", ")
}

fn readonly() -> Permissions {
    Permissions::from_mode(0o400)
}

/// Runs `body` in a runtime of its own, and then lets everything on the pool come to its end.
fn to_the_end<T>(body: impl AsyncFnOnce() -> T) -> T {
    let (pool, output) = Runtime::new().block_on(async { (blocking::pool().unwrap(), body().await) });
    pool.shutdown(Duration::from_secs(20)).unwrap();
    output
}

/// Drops what `operation` makes at every point. Not polled, it is not carried out; polled, it is carried out whole or
/// not at all; and done, it leaves `after`. Where it was not carried out, the same call again does all of it.
fn whole_or_not_at_all<T: Send + 'static>(after: &str, operation: impl Fn(&Path) -> Operation<T>) {
    let mut round = 0;
    let dropped = cut_at_every_poll(|cut| {
        let folder = prepared();
        let done = to_the_end(async || cut.at(operation(&folder.0)).await);
        let left = listing(&folder.0);
        match &done {
            Some(Ok(_)) => assert_eq!(left, after),
            Some(Err(error)) => panic!("{error}"),
            // The first two rounds drop it before its first poll.
            None if round < 2 => assert_eq!(left, BEFORE),
            None => assert!(left == BEFORE || left == after, "in the middle: {left}"),
        }
        if left == BEFORE {
            to_the_end(async || operation(&folder.0).await).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(listing(&folder.0), after);
        }
        round += 1;
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn an_operation_that_is_dropped_anywhere_is_done_whole_or_not_at_all() {
    let hello = "a: hello";
    whole_or_not_at_all(&BEFORE.replace(hello, "a: new"), |root| fs::write(root.join("a"), "new"));
    whole_or_not_at_all(&BEFORE.replace("deep", "hello"), |root| fs::copy(root.join("a"), root.join("tree/b")));
    whole_or_not_at_all(&format!("{}, z: hello", &BEFORE[hello.len() + 2..]), |root| {
        fs::rename(root.join("a"), root.join("z"))
    });
    whole_or_not_at_all(&BEFORE[hello.len() + 2..], |root| fs::remove_file(root.join("a")));
    whole_or_not_at_all(&BEFORE.replace(" empty/,", ""), |root| fs::remove_dir(root.join("empty")));
    whole_or_not_at_all(&BEFORE.replace(", tree/, tree/b: deep", ""), |root| fs::remove_dir_all(root.join("tree")));
    whole_or_not_at_all(&format!("{BEFORE}, z/"), |root| fs::create_dir(root.join("z")));
    whole_or_not_at_all(&format!("{BEFORE}, z/, z/y/"), |root| fs::create_dir_all(root.join("z/y")));
    whole_or_not_at_all(&BEFORE.replace(hello, "a!: hello"), |root| fs::set_permissions(root.join("a"), readonly()));
    whole_or_not_at_all(&BEFORE.replace(hello, "a: "), |root| File::create(root.join("a")));
    whole_or_not_at_all(&format!("{BEFORE}, z: "), |root| {
        OpenOptions::new().write(true).create_new(true).open(root.join("z"))
    });
}

#[test]
fn a_look_that_is_dropped_anywhere_changes_nothing() {
    whole_or_not_at_all(BEFORE, |root| fs::read(root.join("a")));
    whole_or_not_at_all(BEFORE, |root| fs::read_to_string(root.join("a")));
    whole_or_not_at_all(BEFORE, |root| fs::read_dir(root));
    whole_or_not_at_all(BEFORE, |root| fs::metadata(root.join("a")));
    whole_or_not_at_all(BEFORE, |root| fs::symlink_metadata(root.join("a")));
    whole_or_not_at_all(BEFORE, |root| fs::exists(root.join("a")));
    whole_or_not_at_all(BEFORE, |root| fs::canonicalize(root.join("a")));
    whole_or_not_at_all(BEFORE, |root| File::open(root.join("a")));
}

/// A file that was opened for nobody, or given to a future that is dropped, is closed.
#[test]
fn no_file_stays_open_for_nobody() {
    alone("cancel::fs::no_file_stays_open_for_nobody", || {
        let folder = prepared();
        let path = folder.join("a");
        let before = descriptors();
        let opens = cut_at_every_poll(|cut| drop(to_the_end(async || cut.at(File::open(&path)).await)));
        let options = cut_at_every_poll(|cut| {
            drop(to_the_end(async || cut.at(OpenOptions::new().append(true).open(&path)).await));
        });
        let mut written = String::from("hello");
        let into_std = cut_at_every_poll(|cut| {
            to_the_end(async || {
                let mut file = OpenOptions::new().append(true).open(&path).await.unwrap();
                file.write_all(b"+").await.unwrap();
                drop(cut.at(file.into_std()).await);
            });
            written.push('+');
            assert_eq!(std::fs::read_to_string(&path).unwrap(), written, "what was written behind is written");
        });
        assert!(opens >= 2 && options >= 2 && into_std >= 2, "{opens} {options} {into_std}");
        assert_eq!(descriptors(), before);
    });
}

/// Opens `a`, writes something behind, lets `middle` drop an operation, and then does it again: what was written is
/// there, whatever the dropped one came to, and the second one has its effect.
fn again(expected: &str, operation: impl AsyncFn(&mut File, Option<&Cut>) -> Option<io::Result<()>>) {
    let dropped = cut_at_every_poll(|cut| {
        let folder = prepared();
        let path = folder.join("a");
        let left = || listing(&folder.0);
        to_the_end(async || {
            let mut file = OpenOptions::new().write(true).open(&path).await.unwrap();
            file.write_all(b"HELLO").await.unwrap();
            let first = operation(&mut file, Some(cut)).await;
            first.into_iter().for_each(|done| done.unwrap());
            // What is away comes home before this one begins, and nothing that was dropped undoes it.
            file.flush().await.unwrap();
            assert!(left().starts_with("a: HE") || left().starts_with("a!: HE"), "{}", left());
            operation(&mut file, None).await.unwrap().unwrap();
        });
        assert_eq!(left(), BEFORE.replace("a: hello", expected));
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn an_operation_on_an_open_file_that_is_dropped_anywhere_is_done_or_not_and_can_be_done_again() {
    again("a: HELLO", async |file, cut| match cut {
        Some(cut) => cut.at(file.sync_data()).await,
        None => Some(file.sync_data().await),
    });
    again("a: HELLO", async |file, cut| match cut {
        Some(cut) => Some(cut.at(file.metadata()).await?.map(|found| assert_eq!(found.len(), 5))),
        None => Some(file.metadata().await.map(|found| assert_eq!(found.len(), 5))),
    });
    again("a: HE", async |file, cut| match cut {
        Some(cut) => cut.at(file.set_len(2)).await,
        None => Some(file.set_len(2).await),
    });
    again("a!: HELLO", async |file, cut| match cut {
        Some(cut) => cut.at(file.set_permissions(readonly())).await,
        None => Some(file.set_permissions(readonly()).await),
    });
}
