//! Readers and writers in memory.

use coracle::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, duplex, pipe};
use coracle::task::yield_now;

use crate::support::cut_at_every_poll;

const BYTES: &[u8] = b"abcdefghi";

/// A reader to which another task writes [`BYTES`] one by one, with waits in between.
fn slow_reader() -> impl AsyncReadExt + Unpin {
    let (reader, mut writer) = pipe(1);
    drop(coracle::spawn(async move {
        for byte in BYTES {
            yield_now().await;
            // Whether it is read to its end is up to the test.
            let _ = writer.write_all(&[*byte]).await;
        }
    }));
    reader
}

async fn rest(mut reader: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    all
}

/// Prefix-safe: what was read stands in the buffer or is appended, and the reader has the rest.
#[test]
fn a_read_to_an_end_that_is_dropped_anywhere_has_its_prefix() {
    let mut parts = 0;
    let exact = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut buffer) = (slow_reader(), [0; 6]);
            cut.at(reader.read_exact(&mut buffer)).await.into_iter().for_each(|done| done.unwrap());
            let filled = buffer.iter().position(|byte| *byte == 0).unwrap_or(6);
            parts += usize::from((1..6).contains(&filled));
            assert_eq!([&buffer[..filled], &rest(reader).await].concat(), BYTES);
        });
    });
    let to_end = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut all) = (slow_reader(), Vec::from(*b">"));
            cut.at(reader.read_to_end(&mut all)).await;
            assert_eq!([&all[1..], &rest(reader).await].concat(), BYTES);
        });
    });
    assert!(exact >= 6 && to_end >= 6 && parts >= 4, "{exact} {to_end} {parts}");
}

/// Lossy: what was read goes with it, and the text is as it was. What was not read is there still.
#[test]
fn a_read_to_string_that_is_dropped_anywhere_leaves_its_text_as_it_was() {
    let mut lost = 0;
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut text) = (slow_reader(), String::from(">"));
            let done = cut.at(reader.read_to_string(&mut text)).await.is_some();
            assert_eq!(text, if done { ">abcdefghi" } else { ">" });
            let rest = rest(reader).await;
            assert!(BYTES.ends_with(&rest));
            lost += usize::from(!done && rest.len() < BYTES.len());
        });
    });
    assert!(dropped >= 6 && lost > 0, "{dropped} {lost}");
}

/// Prefix-safe: the writer has a prefix, as long as it says.
#[test]
fn a_write_all_that_is_dropped_anywhere_has_written_a_prefix() {
    let mut parts = 0;
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (reader, mut writer) = pipe(2);
            let reading = coracle::spawn(rest(reader));
            let mut write = writer.write_all(BYTES);
            let done = cut.at(&mut write).await.is_some();
            let written = write.written();
            assert_eq!(done, written == BYTES.len());
            drop(writer);
            assert_eq!(reading.await.unwrap(), BYTES[..written]);
            parts += usize::from(0 < written && !done);
        });
    });
    let moved = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (reader, mut writer) = pipe(2);
            let reading = coracle::spawn(rest(reader));
            cut.at(writer.write_all(BYTES)).await;
            drop(writer);
            assert!(BYTES.starts_with(&reading.await.unwrap()));
        });
    });
    assert!(dropped >= 6 && moved >= 6 && parts >= 2, "{dropped} {moved} {parts}");
}

/// Lossy: what is in between is lost with it, and nothing else. Awaited by reference, `unwritten` shows it.
#[test]
fn a_copy_that_is_dropped_anywhere_loses_what_is_in_between() {
    let mut between = 0;
    let shown = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            // All is read at once, and written byte by byte.
            let ((mut reader, mut source), (sink, mut writer)) = (pipe(9), pipe(1));
            source.write_all(BYTES).await.unwrap();
            drop(source);
            let reading = coracle::spawn(rest(sink));
            let mut copying = copy(&mut reader, &mut writer);
            cut.at(&mut copying).await;
            let unwritten = copying.unwritten().to_vec();
            between += unwritten.len();
            drop(writer);
            assert_eq!([reading.await.unwrap(), unwritten, rest(reader).await].concat(), BYTES);
        });
    });
    let moved = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, (sink, mut writer)) = (slow_reader(), pipe(1));
            let reading = coracle::spawn(rest(sink));
            cut.at(copy(&mut reader, &mut writer)).await;
            drop(writer);
            assert!(BYTES.starts_with(&reading.await.unwrap()) && BYTES.ends_with(&rest(reader).await));
        });
    });
    assert!(shown >= 6 && moved >= 6 && between > 0, "{shown} {moved} {between}");
}

/// The same, in both directions.
#[test]
fn a_copy_of_both_directions_that_is_dropped_anywhere_loses_what_is_in_between() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let ((client, mut inbound), (mut outbound, server)) = (duplex(9), duplex(9));
            // Each end says its bytes one by one, and then hears what comes.
            let talk = async |mut end: coracle::io::DuplexStream| {
                for byte in BYTES {
                    if end.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    yield_now().await;
                }
                let _ = end.close().await;
                rest(end).await
            };
            let (client, server) = (coracle::spawn(talk(client)), coracle::spawn(talk(server)));
            let done = cut.at(copy_bidirectional(&mut inbound, &mut outbound)).await;
            drop((inbound, outbound));
            let (by_client, by_server) = (client.await.unwrap(), server.await.unwrap());
            if let Some(counts) = done {
                assert_eq!(counts.unwrap(), (9, 9));
                assert_eq!((&by_client[..], &by_server[..]), (BYTES, BYTES));
            }
            assert!(BYTES.starts_with(&by_client) && BYTES.starts_with(&by_server));
        });
    });
    let mut between = 0;
    let shown = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let ((mut client, mut inbound), (mut outbound, mut server)) = (duplex(9), duplex(1));
            let client = coracle::spawn(async move {
                client.write_all(BYTES).await.unwrap();
                client.close().await.unwrap();
                rest(client).await
            });
            let server = coracle::spawn(async move {
                let mut all = [0; 4];
                server.read_exact(&mut all).await.map_or(Vec::new(), |()| all.into())
            });
            let mut copying = copy_bidirectional(&mut inbound, &mut outbound);
            let done = cut.at(&mut copying).await;
            let (to_server, to_client) = copying.unwritten();
            let unwritten = to_server.to_vec();
            assert!(to_client.is_empty());
            between += usize::from(!unwritten.is_empty());
            let written = copying.written().0 as usize;
            assert!(done.is_none_or(|done| done.is_err()), "the server goes away before it has all");
            let mut left = Vec::new();
            drop(outbound);
            if written == 0 && unwritten.is_empty() {
                inbound.read_to_end(&mut left).await.unwrap();
                assert_eq!(left, BYTES, "it was not polled");
            } else {
                assert!(BYTES[written..].starts_with(&unwritten));
            }
            drop(inbound);
            assert!(client.await.unwrap().is_empty());
            let _ = server.await.unwrap();
        });
    });
    assert!(dropped >= 6 && shown >= 4 && between > 0, "{dropped} {shown} {between}");
}
