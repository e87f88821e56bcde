use coracle::io::AsyncReadExt;
use coracle::net::TcpStream;
use coracle::time::timeout;
use std::io;
use std::time::Duration;

/// Asks a server, and waits for its answer, to the end, for thirty seconds at most.
async fn ask(server: &str) -> io::Result<String> {
    timeout(Duration::from_secs(30), async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(b"how are you?").await?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    })
    .await?
}
