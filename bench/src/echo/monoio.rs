//! monoio on its epoll driver and on io_uring, without timers. Its reads and writes own the buffer and hand it back.

use std::io;

use monoio::buf::IoBuf;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER};

pub fn serve(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    RuntimeBuilder::<LegacyDriver>::new().build()?.block_on(accept(listener, mode))
}

pub fn serve_on_uring(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    // On a non-blocking socket the kernel would answer instead of waiting.
    listener.set_nonblocking(false)?;
    RuntimeBuilder::<IoUringDriver>::new().build()?.block_on(accept(listener, mode))
}

async fn accept(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let size = if mode == Mode::Bulk { BULK_BUFFER } else { BUFFER };
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        monoio::spawn(echo(stream, size));
    }
}

async fn echo(mut stream: TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        let (received, filled) = stream.read(buffer).await;
        let received = received?;
        if received == 0 {
            return Ok(());
        }
        let (sent, slice) = stream.write_all(filled.slice(..received)).await;
        sent?;
        buffer = slice.into_inner();
    }
}
