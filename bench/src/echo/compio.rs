//! compio on its polling driver and on io_uring. Its reads and writes own the buffer and hand it back.

use std::io;

use compio::BufResult;
use compio::buf::{IntoInner, IoBuf};
use compio::driver::{DriverType, ProactorBuilder};
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::RuntimeBuilder;

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER};

pub fn serve_on_uring(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    // On a non-blocking socket the kernel would answer instead of waiting.
    listener.set_nonblocking(false)?;
    serve_on(DriverType::IoUring, listener, mode)
}

pub fn serve_by_polling(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    serve_on(DriverType::Poll, listener, mode)
}

fn serve_on(driver: DriverType, listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(driver);
    let size = if mode == Mode::Bulk { BULK_BUFFER } else { BUFFER };
    RuntimeBuilder::new().with_proactor(proactor).build()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            compio::runtime::spawn(echo(stream, size)).detach();
        }
    })
}

async fn echo(mut stream: TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        buffer.clear();
        let BufResult(received, filled) = stream.read(buffer).await;
        let received = received?;
        if received == 0 {
            return Ok(());
        }
        let BufResult(sent, slice) = stream.write_all(filled.slice(..received)).await;
        sent?;
        buffer = slice.into_inner();
    }
}
