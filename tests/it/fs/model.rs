//! A file against a model: a `Cursor` over a `Vec`. Random operations; reads and seeks are dropped at random.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use coracle::blocking::{self, Pool};
use coracle::fs::{File, OpenOptions};
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use proptest::prelude::*;

use super::Folder;
use crate::support::poll_once;

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    /// Begun, and dropped at once.
    DropRead(usize),
    /// Not empty: that would lengthen a `Cursor`, and lengthens no file.
    Write(Vec<u8>),
    Seek(SeekFrom),
    SetLen(u64),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let to = prop_oneof![
        (0..80_u64).prop_map(SeekFrom::Start),
        (-40..40_i64).prop_map(SeekFrom::Current),
        (-60..10_i64).prop_map(SeekFrom::End),
    ];
    prop_oneof![
        4 => (0..40_usize).prop_map(Step::Read),
        3 => (0..40_usize).prop_map(Step::DropRead),
        3 => proptest::collection::vec(any::<u8>(), 1..30).prop_map(Step::Write),
        3 => to.prop_map(Step::Seek),
        1 => (0..60_u64).prop_map(Step::SetLen),
        1 => Just(Step::Flush),
    ]
}

/// As the file should be.
type Model = Cursor<Vec<u8>>;

async fn go(file: &mut File, model: &mut Model, step: Step) {
    match step {
        Step::Read(length) => {
            // What a dropped read brought may end in the middle: so it is read until enough is there, or the end.
            let (mut found, mut expected) = (vec![0; length], vec![0; length]);
            let mut count = 0;
            while count < length {
                match file.read(&mut found[count..]).await.unwrap() {
                    0 => break,
                    more => count += more,
                }
            }
            let all = Read::read(model, &mut expected).unwrap();
            assert_eq!((count, &found), (all, &expected));
        }
        Step::DropRead(length) => {
            let mut buffer = vec![0; length];
            let poll = poll_once(&mut file.read(&mut buffer));
            if let std::task::Poll::Ready(count) = poll {
                // It was there from another read that was dropped, or is nothing.
                let mut expected = vec![0; count.unwrap()];
                Read::read_exact(model, &mut expected).unwrap();
                assert_eq!(buffer[..expected.len()], expected);
            }
        }
        Step::Write(bytes) => {
            file.write_all(&bytes).await.unwrap();
            Write::write_all(model, &bytes).unwrap();
        }
        Step::Seek(to) => {
            let (found, expected) = (file.seek(to).await, model.seek(to));
            assert_eq!(found.is_ok(), expected.is_ok(), "{found:?} {expected:?}");
            assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), model.position());
        }
        Step::SetLen(length) => {
            // What was read ahead is what was there when it was read.
            file.seek(SeekFrom::Current(0)).await.unwrap();
            file.set_len(length).await.unwrap();
            model.get_mut().resize(length as usize, 0);
        }
        Step::Flush => file.flush().await.unwrap(),
    }
}

fn run(pool: &Pool, steps: Vec<Step>) {
    let folder = Folder::new();
    let path = folder.join("file");
    let mut model = Model::default();
    coracle::block_on(async {
        blocking::set_pool(pool.clone()).unwrap();
        let mut file = OpenOptions::new().read(true).write(true).create(true).open(&path).await.unwrap();
        for step in steps {
            go(&mut file, &mut model, step).await;
        }
        file.flush().await.unwrap();
        assert_eq!(&std::fs::read(&path).unwrap(), model.get_ref());
        let mut file = file.into_std().await.unwrap();
        assert_eq!(file.stream_position().unwrap(), model.position());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_is_a_cursor_whatever_is_dropped(steps in proptest::collection::vec(step(), 0..25)) {
        run(&Pool::builder().threads(1).build(), steps);
    }
}
