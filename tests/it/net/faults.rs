//! Every call to the system fails once, in every place: the error is returned, or the call made again; nothing hangs,
//! panics or leaks. The scenario is of everything but TCP streams, of which `connect` has the same.

use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use std::sync::Mutex;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{Async, Stdin, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use coracle::sys::{Call, Hook, World};
use coracle::task::yield_now;

use super::soon;
use super::unix::TempPath;
use crate::support;

/// Lets one call fail: the one with this number.
struct OneFault {
    errno: i32,
    left: Mutex<usize>,
    failed: Mutex<Option<Call>>,
}

impl Hook for OneFault {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        // Of the loop itself, which bears them; see the tests of the reactor. And what cannot fail.
        if matches!(call, Call::Wait | Call::Notify | Call::Alarm | Call::Now | Call::Close | Call::Random | Call::Nap)
        {
            return Ok(());
        }
        let mut left = self.left.lock().unwrap();
        if let Some(one_less) = left.checked_sub(1) {
            *left = one_less;
            return Ok(());
        }
        let mut failed = self.failed.lock().unwrap();
        if failed.is_some() {
            return Ok(());
        }
        *failed = Some(call);
        Err(io::Error::from_raw_os_error(self.errno))
    }
}

async fn datagrams() -> io::Result<()> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let address = other.local_addr()?;
    one.connect(address)?;
    let receiving = coracle::spawn(async move { other.recv_message(&mut [0; 8]).await.map(|message| message.length) });
    yield_now().await;
    one.set_ttl(3)?;
    one.send(b"x").await?;
    assert_eq!(receiving.await.unwrap()?, 1);

    let path = TempPath::new();
    let receiver = UnixDatagram::bind(&path)?;
    let sender = UnixDatagram::unbound()?;
    sender.send_to(b"x", &path).await?;
    assert_eq!(receiver.recv_from(&mut [0; 8]).await?.0, 1);
    sender.connect(&path)?;
    sender.send_with_fds(b"x", &[sender.as_fd()]).await?;
    assert_eq!(receiver.recv_with_fds(&mut [0; 8], 1).await?.fds.len(), 1);
    Ok(())
}

async fn streams() -> io::Result<()> {
    let path = TempPath::new();
    let listener = UnixListener::bind(&path)?;
    let client = UnixStream::connect(&path).await?;
    let (server, _) = listener.accept().await?;
    let answering = coracle::spawn(async move {
        server.peer_credentials()?;
        let got = server.recv_with_fds(&mut [0; 8], 1).await?;
        server.write_all(b"answer").await?;
        io::Result::Ok(got.fds.len())
    });
    yield_now().await;
    client.send_with_fds(b"x", &[client.as_fd()]).await?;
    client.read_exact(&mut [0; 6]).await?;
    assert_eq!(answering.await.unwrap()?, 1);
    client.shutdown(std::net::Shutdown::Write)?;

    let (one, other) = std::os::unix::net::UnixStream::pair()?;
    let one = Async::new(one)?;
    let reading = coracle::spawn(async move { one.read_with(|mut io| io.read(&mut [0; 8])).await });
    yield_now().await;
    drop(other);
    assert_eq!(reading.await.unwrap()?, 0);

    let (mut reader, mut writer) = pipe()?;
    let reading = coracle::spawn(async move { reader.read_to_end(&mut Vec::new()).await });
    yield_now().await;
    writer.write_all(b"bytes").await?;
    drop(writer);
    assert_eq!(reading.await.unwrap()?, 5);
    assert_eq!(Stdin::new()?.read(&mut [0; 8]).await?, 0);
    Ok(())
}

/// Lets each call of the scenario fail in turn. Which calls failed, and what became of it.
fn sweep(errno: i32, scenario: impl AsyncFn() -> io::Result<()>) -> Vec<(Call, io::Result<()>)> {
    let mut outcomes = Vec::new();
    for number in 0..10_000 {
        let fault = Arc::new(OneFault { errno, left: Mutex::new(number), failed: Mutex::new(None) });
        let runtime = Runtime::builder().world(World::kernel().hooked(fault.clone())).build();
        let before = support::descriptors();
        // The streams are dropped here, on the way out of the scenario or with their tasks.
        let result = runtime.block_on(soon(scenario()));
        drop(runtime);
        assert_eq!(support::descriptors(), before, "{:?} leaves a descriptor", fault.failed.lock().unwrap());
        match *fault.failed.lock().unwrap() {
            Some(call) => outcomes.push((call, result)),
            None => {
                result.unwrap();
                return outcomes;
            }
        }
    }
    panic!("the scenario does not end");
}

fn with_null_as_input(name: &str, body: impl FnOnce()) {
    support::alone(name, || {
        let null = std::fs::File::open("/dev/null").unwrap();
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), 0) }, 0);
        drop(null);
        body();
    });
}

#[test]
fn a_fault_in_any_call_is_returned_and_leaks_nothing() {
    with_null_as_input("net::faults::a_fault_in_any_call_is_returned_and_leaks_nothing", || {
        let mut failed = sweep(libc::EXDEV, datagrams);
        failed.extend(sweep(libc::EXDEV, streams));
        for (call, result) in &failed {
            match result {
                // Or it happened to the other end, which then was gone.
                Err(error) => assert!(
                    error.raw_os_error() == Some(libc::EXDEV)
                        || matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
                        || error.kind() == ErrorKind::UnexpectedEof,
                    "{call:?}: {error}"
                ),
                // What is only tidied up may fail.
                Ok(()) => assert!(matches!(call, Call::Remove), "{call:?} failed, and nobody was told"),
            }
        }
        for call in [
            Call::Socket,
            Call::Bind,
            Call::Listen,
            Call::Accept,
            Call::Connect,
            Call::Add,
            Call::Receive,
            Call::Send,
            Call::ReceiveMessage,
            Call::SendMessage,
            Call::Credentials,
            Call::Pipe,
            Call::Read,
            Call::Write,
            Call::Ready,
        ] {
            assert!(failed.iter().any(|(other, _)| *other == call), "{call:?} was never made");
        }
    });
}

/// A signal came: what waits is simply done again, and nobody hears of it (mio#494, bun#34780).
#[test]
fn an_interrupted_operation_is_done_again() {
    with_null_as_input("net::faults::an_interrupted_operation_is_done_again", || {
        let mut interrupted = sweep(libc::EINTR, datagrams);
        interrupted.extend(sweep(libc::EINTR, streams));
        for (call, result) in interrupted {
            let waits = matches!(
                call,
                Call::Accept
                    | Call::Receive
                    | Call::Send
                    | Call::ReceiveMessage
                    | Call::SendMessage
                    | Call::Read
                    | Call::Write
                    | Call::Ready
            );
            assert!(!waits || result.is_ok(), "{call:?}: {result:?}");
        }
    });
}
