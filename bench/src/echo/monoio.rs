//! monoio on its epoll driver, without timers. Its reads and writes own the buffer and hand it back.

use std::io;

use monoio::buf::IoBuf;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{LegacyDriver, RuntimeBuilder};

use super::BUFFER;

pub fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    RuntimeBuilder::<LegacyDriver>::new().build()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            monoio::spawn(echo(stream));
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
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
