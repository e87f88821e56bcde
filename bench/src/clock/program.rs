//! The program: text that means the same with each runtime's own `TcpStream`, `spawn`, `timeout` and `now`.

macro_rules! program {
    () => {
        use std::net::SocketAddr;
        use std::time::Duration;

        /// Answers a request with the same.
        async fn serve_backend(listener: TcpListener, body: Body) -> std::io::Result<()> {
            loop {
                let (stream, _) = listener.accept().await?;
                // It goes on by itself, with either runtime.
                drop(spawn(answer(stream, body)));
            }
        }

        async fn answer(mut stream: TcpStream, body: Body) -> std::io::Result<()> {
            let mut request = vec![0; body.length];
            stream.read_exact(&mut request).await?;
            send(&mut stream, &request, body).await
        }

        /// One request after the other, each of which the backend is asked.
        async fn forward(mut stream: TcpStream, backend: SocketAddr, body: Body) -> std::io::Result<()> {
            let mut request = vec![0; body.length];
            loop {
                stream.read_exact(&mut request).await?;
                ask(&mut TcpStream::connect(backend).await?, body).await?;
                send(&mut stream, &request, body).await?;
            }
        }

        async fn send(stream: &mut TcpStream, bytes: &[u8], body: Body) -> std::io::Result<()> {
            for piece in bytes.chunks(body.length.div_ceil(body.pieces)) {
                stream.write_all(piece).await?;
            }
            Ok(())
        }

        /// The same on a thread, with a blocking socket.
        fn serve_by_thread(body: Body) -> std::io::Result<SocketAddr> {
            use std::io::{Read, Write};
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            std::thread::spawn(move || -> std::io::Result<()> {
                loop {
                    let (mut stream, _) = listener.accept()?;
                    let mut request = vec![0; body.length];
                    // A client that has given up is no matter.
                    let _ = stream.read_exact(&mut request);
                    std::thread::sleep(Duration::from_millis(1));
                    let _ = stream.write_all(&request);
                }
            });
            Ok(address)
        }

        async fn ask(stream: &mut TcpStream, body: Body) -> std::io::Result<()> {
            let mut bytes = vec![7; body.length];
            send(stream, &bytes, body).await?;
            stream.read_exact(&mut bytes).await?;
            Ok(())
        }

        async fn serve_frontend(listener: TcpListener, backend: SocketAddr, body: Body) -> std::io::Result<()> {
            loop {
                let (stream, _) = listener.accept().await?;
                drop(spawn(forward(stream, backend, body)));
            }
        }

        async fn program(row: &'static Row) -> std::io::Result<Outcome> {
            let backend = match row.backend {
                Backend::Thread => serve_by_thread(row.body)?,
                Backend::Task => {
                    let listener = bind().await?;
                    let address = listener.local_addr()?;
                    drop(spawn(serve_backend(listener, row.body)));
                    address
                }
            };
            let listener = bind().await?;
            let frontend = listener.local_addr()?;
            drop(spawn(serve_frontend(listener, backend, row.body)));
            let (begin, mut timed_out) = (now(), 0);
            let mut stream = TcpStream::connect(frontend).await?;
            for _ in 0..row.requests {
                let in_time = timeout(Duration::from_secs(30), ask(&mut stream, row.body)).await;
                timed_out += usize::from(in_time.is_err());
                if in_time.is_err() || !row.keeps {
                    stream = TcpStream::connect(frontend).await?;
                }
            }
            Ok(Outcome { timed_out, passed: now() - begin })
        }
    };
}

pub(super) use program;
