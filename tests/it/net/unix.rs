//! Unix streams and listeners: names, connecting, closing, cancelling. What is true of all streams is tested with TCP too.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::unix::net::SocketAddr as UnixName;
use std::path::{Path, PathBuf};
use std::task::Context;
use std::time::Duration;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{Shutdown, UnixListener, UnixStream};
use coracle::task::yield_now;

use super::{kind, pattern, settle, soon};
use crate::support::{self, CountingWaker, cut_at_every_poll};

/// A path that nobody else uses; the file goes with it.
pub(super) struct TempPath(PathBuf);

impl TempPath {
    pub(super) fn new() -> TempPath {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        TempPath(std::env::temp_dir().join(format!("coracle-{}-{number}", std::process::id())))
    }
}

impl AsRef<Path> for TempPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

// ---- names ---------------------------------------------------------------------------------------------------------

#[test]
fn a_path_names_the_listener_and_nobody_else() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_ref()));
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path.as_ref()));
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(path.as_ref()));
        assert!(peer.is_unnamed() && client.local_addr().unwrap().is_unnamed());
        client.write_all(b"ping").await.unwrap();
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");
        assert!(format!("{client:?}").starts_with("UnixStream") && format!("{listener:?}").starts_with("UnixListener"));
    }));
}

/// A file that a listener left behind is an error that says what to do; the library does not remove it.
#[test]
fn a_stale_file_is_a_clear_error() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.as_ref().exists(), "the file stays");
        assert_eq!(kind(UnixStream::connect(&path).await), ErrorKind::ConnectionRefused);
        let error = UnixListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(path.as_ref().to_str().unwrap()), "{error}");
        assert!(error.to_string().contains("remove the file"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        UnixStream::connect(&path).await.unwrap();
        listener.accept().await.unwrap();
    }));
}

#[test]
fn a_path_that_cannot_name_a_socket_is_a_clear_error() {
    coracle::block_on(soon(async {
        let too_long = format!("/{}", "x".repeat(200));
        for (path, why) in [(&too_long[..], "too long"), ("", "empty"), ("a\0b", "zero byte")] {
            let errors = [
                UnixListener::bind(path).map(drop).unwrap_err(),
                UnixStream::connect(path).await.map(drop).unwrap_err(),
                coracle::net::UnixDatagram::bind(path).map(drop).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains(why), "{error}");
            }
        }
        assert_eq!(kind(UnixStream::connect("/no/such/file").await), ErrorKind::NotFound);
        assert_eq!(kind(UnixListener::bind("/no/such/directory/x")), ErrorKind::NotFound);
    }));
}

#[test]
fn the_longest_path_works() {
    coracle::block_on(soon(async {
        let directory = std::env::temp_dir();
        let room = 107 - directory.as_os_str().len() - 1;
        let name = format!("coracle-longest-{}-{}", std::process::id(), "x".repeat(room));
        let path = directory.join(&name[..room]);
        let listener = UnixListener::bind(&path).unwrap();
        let connected = UnixStream::connect(&path).await;
        std::fs::remove_file(&path).unwrap();
        assert_eq!(connected.unwrap().peer_addr().unwrap().as_pathname(), Some(path.as_path()));
        drop(listener);
    }));
}

/// An abstract name needs no file, may have zero bytes in it, and goes with the listener.
#[test]
fn an_abstract_name_goes_with_its_listener() {
    use std::os::linux::net::SocketAddrExt;
    coracle::block_on(soon(async {
        let name = format!("coracle\0{}", std::process::id());
        let name = UnixName::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&name).unwrap();
        assert_eq!(kind(UnixListener::bind_addr(&name)), ErrorKind::AddrInUse);
        assert_eq!(listener.local_addr().unwrap().as_abstract_name(), name.as_abstract_name());
        let client = UnixStream::connect_addr(&name).await.unwrap();
        listener.accept().await.unwrap();
        assert_eq!(client.peer_addr().unwrap().as_abstract_name(), name.as_abstract_name());
        drop(listener);
        assert_eq!(kind(UnixStream::connect_addr(&name).await), ErrorKind::ConnectionRefused);
        UnixListener::bind_addr(&name).unwrap();
    }));
}

#[test]
fn the_system_says_who_the_peer_is() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (one, _other) = UnixStream::pair().unwrap();
        for stream in [&client, &server, &one] {
            let peer = stream.peer_credentials().unwrap();
            // SAFETY: no pointers.
            assert_eq!((peer.uid, peer.gid), (unsafe { libc::geteuid() }, unsafe { libc::getegid() }));
            assert_eq!(peer.pid, Some(std::process::id() as i32));
        }
    }));
}

/// Another process connects: its number is told, not ours.
#[test]
fn the_peer_may_be_another_process() {
    coracle::block_on(soon(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        // A copy of this test program connects, and says nothing.
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["net::unix::connects_to_where_it_is_told", "--exact"])
            .env("CORACLE_TEST_CONNECT", path.as_ref())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(server.peer_credentials().unwrap().pid, Some(child.id() as i32));
        drop((server, ours, theirs));
        assert!(child.wait().unwrap().success());
    }));
}

/// The other process of the test above; by itself it does nothing.
#[test]
fn connects_to_where_it_is_told() {
    if let Some(path) = std::env::var_os("CORACLE_TEST_CONNECT") {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        let _ = stream.read(&mut [0]);
    }
}

// ---- connecting ----------------------------------------------------------------------------------------------------

/// A listener whose queue is full: `connect` says EAGAIN, and the system never says when there is room (async-io#18).
fn full_listener(path: &TempPath) -> (UnixListener, Vec<std::os::unix::net::UnixStream>) {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 1) }, 0);
    let mut waiting = Vec::new();
    loop {
        // SAFETY: no pointers.
        let fd =
            unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0);
        // SAFETY: made just now, and owned by nobody else.
        let socket: std::os::unix::net::UnixStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) };
        // SAFETY: `sockaddr_un` is integers only.
        let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().zip(path.as_ref().as_os_str().as_encoded_bytes()) {
            *to = *from as libc::c_char;
        }
        let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        // SAFETY: the pointer is to `address`, which outlives the call and has that length.
        if unsafe { libc::connect(fd, (&raw const address).cast(), length) } == 0 {
            waiting.push(socket);
            continue;
        }
        assert_eq!(std::io::Error::last_os_error().kind(), ErrorKind::WouldBlock);
        return (UnixListener::from_std(listener).unwrap(), waiting);
    }
}

#[test]
fn a_connect_to_a_full_listener_is_done_when_there_is_room() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        let (listener, waiting) = full_listener(&path);
        let connecting: Vec<_> = (0..5).map(|_| coracle::spawn(UnixStream::connect(&path))).collect();
        coracle::time::sleep(Duration::from_millis(5)).await;
        assert!(connecting.iter().all(|connecting| !connecting.is_finished()));
        let mut accepted = Vec::new();
        for _ in 0..waiting.len() + connecting.len() {
            accepted.push(listener.accept().await.unwrap());
        }
        for connecting in connecting {
            connecting.await.unwrap().unwrap();
        }
    }));
}

/// Dropped at any point, a connect leaves no descriptor, and the next one works.
#[test]
fn a_cancelled_connect_leaves_no_descriptor() {
    support::alone("net::unix::a_cancelled_connect_leaves_no_descriptor", || {
        let (path, before) = (TempPath::new(), support::descriptors());
        let dropped = cut_at_every_poll(|cut| {
            let _ = std::fs::remove_file(&path);
            coracle::block_on(soon(async {
                let (listener, waiting) = full_listener(&path);
                let accepting = coracle::spawn(async move {
                    coracle::time::sleep(Duration::from_millis(2)).await;
                    for _ in 0..waiting.len() {
                        listener.accept().await.unwrap();
                    }
                    listener
                });
                let connected = cut.at(UnixStream::connect(&path)).await.map(Result::unwrap);
                let listener = accepting.await.unwrap();
                let client = match connected {
                    Some(client) => client,
                    None => UnixStream::connect(&path).await.unwrap(),
                };
                client.write_all(b"x").await.unwrap();
                let (server, _) = listener.accept().await.unwrap();
                assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
            }));
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(support::descriptors(), before);
    });
}

#[test]
fn a_cancelled_accept_loses_no_connection() {
    let path = TempPath::new();
    let dropped = cut_at_every_poll(|cut| {
        let _ = std::fs::remove_file(&path);
        coracle::block_on(soon(async {
            let listener = UnixListener::bind(&path).unwrap();
            let connecting = coracle::spawn(UnixStream::connect(&path));
            let accepted = cut.at(listener.accept()).await.map(Result::unwrap);
            let client = connecting.await.unwrap().unwrap();
            let (server, _) = match accepted {
                Some(accepted) => accepted,
                None => listener.accept().await.unwrap(),
            };
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

/// Connections that nobody accepted are told when the listener goes.
#[test]
fn a_listener_that_goes_ends_the_connections_in_its_queue() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        drop(listener);
        let read = client.read(&mut [0; 8]).await;
        assert!(matches!(&read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        assert_eq!(kind(client.write(b"x").await), ErrorKind::BrokenPipe);
    }));
}

// ---- bytes ---------------------------------------------------------------------------------------------------------

#[test]
fn a_mebibyte_goes_each_way_at_once() {
    coracle::block_on(soon(async {
        let bytes = pattern(1 << 20);
        let (one, other) = UnixStream::pair().unwrap();
        let side = |stream: UnixStream, bytes: Vec<u8>| async move {
            let (reader, writer) = stream.into_split();
            let writing = coracle::spawn(async move { writer.write_all(&bytes).await });
            let mut all = Vec::new();
            { reader }.read_to_end(&mut all).await.unwrap();
            writing.await.unwrap().unwrap();
            all
        };
        let echo = coracle::spawn(side(one, bytes.clone()));
        let got = side(other, bytes.clone()).await;
        assert!(got == bytes && echo.await.unwrap() == bytes);
    }));
}

#[test]
fn after_a_half_close_the_answer_still_comes() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        for _ in 0..10 {
            assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0, "the end is stable");
        }
        let bytes = pattern(1 << 20);
        let writing = coracle::spawn(async move {
            other.write_all(&pattern(1 << 20)).await.unwrap();
        });
        let mut all = Vec::new();
        AsyncReadExt::read_to_end(&mut &one, &mut all).await.unwrap();
        assert!(all == bytes);
        writing.await.unwrap();
        assert_eq!(kind(one.write(b"x").await), ErrorKind::BrokenPipe);
    }));
}

/// The peer closes with bytes of ours unread: that is a reset here too.
#[test]
fn a_peer_that_closes_wakes_both_directions() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        while one.try_write(&[0; 4096]).is_ok() {}
        let one = std::rc::Rc::new(one);
        let reading = coracle::spawn({
            let one = one.clone();
            async move { one.read(&mut [0; 8]).await }
        });
        let writing = coracle::spawn({
            let one = one.clone();
            async move { one.write(&[0; 8]).await }
        });
        yield_now().await;
        drop(other);
        let read = reading.await.unwrap();
        assert!(matches!(&read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        let written = kind(writing.await.unwrap());
        assert!(matches!(written, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{written}");
        for _ in 0..10 {
            let read = one.read(&mut [0; 8]).await;
            assert!(matches!(&read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        }
    }));
}

#[test]
fn a_short_read_and_the_end_come_both() {
    coracle::block_on(soon(async {
        for chunk in [1, 2, 63, 64, 65, 4096] {
            let (one, other) = UnixStream::pair().unwrap();
            let reading = coracle::spawn(async move {
                let (mut buffer, mut total) = ([0; 64], 0);
                loop {
                    match other.read(&mut buffer).await.unwrap() {
                        0 => return total,
                        n => total += n,
                    }
                }
            });
            yield_now().await;
            one.write_all(&vec![7; chunk]).await.unwrap();
            drop(one);
            assert_eq!(reading.await.unwrap(), chunk);
        }
    }));
}

#[test]
fn nothing_and_too_many_slices_are_no_error() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        assert_eq!(one.read(&mut []).await.unwrap(), 0);
        assert_eq!(one.write(&[]).await.unwrap(), 0);
        assert_eq!(one.write_vectored(&[]).await.unwrap(), 0);
        let slices = vec![IoSlice::new(b"x"); 5000];
        let n = one.write_vectored(&slices).await.unwrap();
        assert!((1..=5000).contains(&n));
        let mut bytes = vec![0; 5000];
        let mut buffers: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        assert!((1..=n).contains(&other.read_vectored(&mut buffers).await.unwrap()));
    }));
}

#[test]
fn a_cancelled_write_all_has_written_what_it_says() {
    let bytes = pattern(1 << 18);
    let mut parts = 0;
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (one, other) = UnixStream::pair().unwrap();
            one.set_send_buffer_size(4096).unwrap();
            let reading = coracle::spawn(async move {
                yield_now().await;
                let mut all = Vec::new();
                { other }.read_to_end(&mut all).await.unwrap();
                all
            });
            let mut write = one.write_all(&bytes);
            let done = cut.at(&mut write).await.is_some();
            let written = write.written();
            drop(write);
            drop(one);
            let got = reading.await.unwrap();
            assert!(got == bytes[..written] && done == (written == bytes.len()), "{} of {written}", got.len());
            parts += usize::from(0 < written && written < bytes.len());
        }));
    });
    assert!(dropped >= 4 && parts >= 2, "{dropped} drops, {parts} in the middle");
}

#[test]
fn a_cancelled_read_exact_says_how_much_it_filled() {
    cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (one, other) = UnixStream::pair().unwrap();
            let writing = coracle::spawn(async move {
                for byte in b"abcd" {
                    yield_now().await;
                    one.write_all(&[*byte]).await.unwrap();
                }
                one
            });
            let mut buffer = [0; 4];
            let mut read = other.read_exact(&mut buffer);
            let done = cut.at(&mut read).await.is_some();
            let filled = read.filled();
            drop(read);
            assert!(!done || filled == 4);
            let _one = writing.await.unwrap();
            other.read_exact(&mut buffer[filled..]).await.unwrap();
            assert_eq!(&buffer, b"abcd");
        }));
    });
}

// ---- as all streams ------------------------------------------------------------------------------------------------

#[test]
fn halves_of_a_unix_stream_part_and_come_together() {
    coracle::block_on(soon(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (reader, writer) = one.into_split();
        writer.write_all(b"x").await.unwrap();
        let one = reader.reunite(writer).unwrap();
        let (mut their_reader, mut their_writer) = other.split();
        assert_eq!(their_reader.read(&mut [0; 8]).await.unwrap(), 1);
        AsyncWriteExt::write_all(&mut their_writer, b"y").await.unwrap();
        assert!(their_reader.peer_addr().unwrap().is_unnamed());
        assert_eq!(one.peek(&mut [0; 8]).await.unwrap(), 1);
        AsyncReadExt::read_exact(&mut &one, &mut [0]).await.unwrap();
        let (reader, writer) = one.into_split();
        drop(writer);
        assert_eq!(AsyncReadExt::read(&mut their_reader, &mut [0; 8]).await.unwrap(), 0);
        drop(reader);
    }));
}

#[test]
fn to_std_and_back() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        let mut std = other.into_std();
        std.set_nonblocking(false).unwrap();
        std.write_all(b"x").unwrap();
        assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 1);
        let other = UnixStream::from_std(std).unwrap();
        assert_eq!(kind(other.try_read(&mut [0; 8])), ErrorKind::WouldBlock, "it was made non-blocking");
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap().into_std();
        let listener = UnixListener::from_std(listener).unwrap();
        assert_eq!(kind(listener.try_accept()), ErrorKind::WouldBlock);
    }));
}

/// A socket of the other family is not mistaken for one of this.
#[test]
fn an_address_of_another_family_is_an_error() {
    coracle::block_on(soon(async {
        let (one, _other) = UnixStream::pair().unwrap();
        let odd = coracle::net::TcpStream::try_from(std::os::fd::OwnedFd::from(one)).unwrap();
        assert_eq!(kind(odd.local_addr()), ErrorKind::InvalidInput);
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let odd = UnixListener::try_from(std::os::fd::OwnedFd::from(tcp)).unwrap();
        assert_eq!(kind(odd.local_addr()), ErrorKind::InvalidInput);
    }));
}

#[test]
fn a_poller_of_a_unix_stream_is_woken() {
    let runtime = Runtime::new();
    let (one, other) = runtime.block_on(async { UnixStream::pair().unwrap() });
    let (woken, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    assert!(other.poll_read(&mut cx, &mut [0; 8]).is_pending());
    one.try_write(b"x").unwrap();
    settle(&runtime);
    assert_eq!(woken.wakes(), 1);
    drop(runtime);
    assert_eq!(kind(one.try_write(b"x")), ErrorKind::NotConnected);
    assert!(one.local_addr().unwrap().is_unnamed());
}

#[test]
fn streams_and_listeners_give_their_descriptors_back() {
    support::alone("net::unix::streams_and_listeners_give_their_descriptors_back", || {
        let before = support::descriptors();
        coracle::block_on(soon(async {
            for _ in 0..50 {
                let path = TempPath::new();
                let listener = UnixListener::bind(&path).unwrap();
                assert!(UnixListener::bind(&path).is_err());
                let (client, accepted) = (UnixStream::connect(&path), listener.accept());
                let client = client.await.unwrap();
                let (server, _) = accepted.await.unwrap();
                let waiting = coracle::spawn(async move { server.read(&mut [0; 8]).await.unwrap() });
                yield_now().await;
                drop(client);
                assert_eq!(waiting.await.unwrap(), 0);
                let pair = UnixStream::pair().unwrap();
                assert!(UnixStream::connect("/no/such/file").await.is_err());
                drop(pair);
            }
        }));
        assert_eq!(support::descriptors(), before);
    });
}
