//! Three downloads at once over HTTP/1.1, from a server in the same program that needs a different while for each. The
//! host is a name, which is resolved without stopping the loop. They end in another order than they began.
//!
//! ```text
//! $ cargo run --example 15_download
//! begun: http://localhost:…/slow
//! begun: http://localhost:…/large
//! begun: http://localhost:…/quick
//! 1200 bytes received from /quick
//! 250000 bytes received from /large
//! 40000 bytes received from /slow
//! 291200 bytes in all, in the time of the slowest alone: … ms
//! ```
//!
//! Then read `src/net/resolve.rs`, and `src/io/buf_reader.rs`. A page a second lasts 50 ms here; `--full` makes it 1 s.

use std::io::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

use coracle::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use coracle::net::{TcpListener, TcpStream};
use coracle::task::JoinSet;
use coracle::time::sleep;

/// What the server has: path, size, and how many seconds it needs.
const PAGES: [(&str, usize, u32); 3] = [("/slow", 40_000, 3), ("/large", 250_000, 2), ("/quick", 1_200, 1)];

fn second() -> Duration {
    Duration::from_millis(if std::env::args().any(|word| word == "--full") { 1000 } else { 50 })
}

/// Answers one request.
async fn answer(stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut request = String::new();
    reader.read_line(&mut request).await?;
    let mut header = String::new();
    while reader.read_line(&mut header).await? > "\r\n".len() {
        header.clear();
    }
    let asked = request.split(' ').nth(1).unwrap_or_default();
    let page = PAGES.iter().find(|(path, ..)| *path == asked);
    let (status, size, seconds) =
        page.map_or(("404 Not Found", 0, 0), |(_, size, seconds)| ("200 OK", *size, *seconds));
    sleep(second() * seconds).await;
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![b'x'; size]).await
}

/// The size of a page.
async fn get(host: &str, port: u16, path: &str) -> Result<usize> {
    let stream = TcpStream::connect((host, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reader = BufReader::new(&stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 || line == "\r\n" {
            break;
        }
        lines.push(line);
    }
    if !lines.first().is_some_and(|status| status.starts_with("HTTP/1.1 200 ")) {
        return Err(Error::other(format!("{path}: {lines:?}")));
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.and_then(|length| length.trim_end().parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(body.len())
}

pub(crate) fn main() -> Result<()> {
    coracle::block_on(async {
        let listener = TcpListener::bind("localhost:0")?;
        let port = listener.local_addr()?.port();
        drop(coracle::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                drop(coracle::spawn(answer(stream)));
            }
        }));

        let began = Instant::now();
        let mut downloads = JoinSet::new();
        for (path, ..) in PAGES {
            println!("begun: http://localhost:{port}{path}");
            downloads.spawn(async move { (path, get("localhost", port, path).await) });
        }
        let mut sum = 0;
        while let Some((_task, ended)) = downloads.next().await {
            let (path, size) = ended.expect("it does not panic");
            println!("{} bytes received from {path}", size.as_ref().map_err(|error| Error::other(error.to_string()))?);
            sum += size?;
        }
        println!("{sum} bytes in all, in the time of the slowest alone: {} ms", began.elapsed().as_millis());
        Ok(())
    })
}
