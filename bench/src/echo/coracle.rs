//! coracle.

use std::io;

use coracle::Runtime;
use coracle::net::{TcpListener, TcpStream};

use super::BUFFER;

pub fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    Runtime::new().block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            drop(coracle::spawn(echo(stream)));
        }
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
    }
}
