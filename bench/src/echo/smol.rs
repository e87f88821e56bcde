//! smol: a `LocalExecutor` on async-io's reactor.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read};

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{Async, LocalExecutor};

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER};

pub fn serve(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    // Outlives the executor and its tasks.
    let spare = RefCell::new(Vec::new());
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        if mode == Mode::Bulk {
            let listener = Async::new(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.get_ref().set_nodelay(true)?;
                executor.spawn(echo_bulk(stream, &spare)).detach();
            }
        }
        let listener = TcpListener::try_from(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            executor.spawn(echo(stream)).detach();
        }
    }))
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
    }
}

/// Has a buffer only while there is something to read; `spare` are those that no connection has.
async fn echo_bulk(mut stream: Async<std::net::TcpStream>, spare: &RefCell<Vec<Vec<u8>>>) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let lent = spare.borrow_mut().pop();
        let mut buffer = lent.unwrap_or_else(|| vec![0; BULK_BUFFER]);
        match stream.get_ref().read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => stream.write_all(&buffer[..received]).await?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        spare.borrow_mut().push(buffer);
    }
}
