use std::io;

use coracle::net::{TcpListener, TcpStream};

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received]).await?,
        }
    }
}

fn main() -> io::Result<()> {
    coracle::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:7000")?;
        loop {
            let (stream, _) = listener.accept().await?;
            drop(coracle::spawn(echo(stream)));
        }
    })
}
