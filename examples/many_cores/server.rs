//! The servers: one in each thread or process, all on one port.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::mpsc;

use coracle::cores::Crew;
use coracle::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use coracle::net::{ListenerOptions, Stdin, TcpListener, TcpStream};
use coracle::process::{Child, Command, Stdio};
use coracle::task::spawn;

/// Where each runtime lives.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Threads,
    Processes,
}

impl Place {
    pub(crate) fn name(self, count: usize) -> &'static str {
        match (self, count) {
            (Place::Threads, 1) => "thread",
            (Place::Threads, _) => "threads",
            (Place::Processes, 1) => "process",
            (Place::Processes, _) => "processes",
        }
    }
}

/// Servers that run, and share a port.
pub(crate) struct Servers {
    address: SocketAddr,
    running: Running,
}

enum Running {
    Threads(Crew<io::Result<usize>>),
    Processes(coracle::Runtime, Vec<Child>),
}

fn bind(port: u16) -> io::Result<TcpListener> {
    ListenerOptions::new().reuse_port(true).bind((Ipv4Addr::LOCALHOST, port))
}

impl Servers {
    /// Starts them, and returns when all listen.
    pub(crate) fn start(count: usize, place: Place, pin: bool) -> io::Result<Servers> {
        // This listener holds the port until the others have it; then it goes, before anybody connects.
        let runtime = coracle::Runtime::new();
        let reserved = runtime.enter(|| bind(0))?;
        let address = reserved.local_addr()?;
        let running = match place {
            Place::Threads => Running::Threads(threads(count, address.port(), pin)?),
            Place::Processes => {
                let children = runtime.block_on(processes(count, address.port(), pin))?;
                Running::Processes(runtime, children)
            }
        };
        drop(reserved);
        Ok(Servers { address, running })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops all. How many connections each has served.
    pub(crate) fn stop(self) -> io::Result<Vec<usize>> {
        match self.running {
            Running::Threads(crew) => {
                crew.stop();
                crew.join().into_iter().map(|served| served.expect("a server does not panic")).collect()
            }
            Running::Processes(runtime, children) => runtime.block_on(async {
                let mut served = Vec::new();
                for child in children {
                    served.push(stop_process(child).await?);
                }
                Ok(served)
            }),
        }
    }
}

fn threads(count: usize, port: u16, pin: bool) -> io::Result<Crew<io::Result<usize>>> {
    let (listens, all_listen) = mpsc::channel();
    let crew = Crew::start(count, move |member| {
        let listens = listens.clone();
        async move {
            if pin {
                member.pin()?;
            }
            serve(port, || listens.send(()).expect("main waits for it"), member.stopped()).await
        }
    })?;
    all_listen.iter().take(count).for_each(drop);
    Ok(crew)
}

/// Starts this program again as a server. It says a line when it listens, stops at the end of its input, and then says
/// how many it has served.
async fn processes(count: usize, port: u16, pin: bool) -> io::Result<Vec<Child>> {
    let mut children = Vec::new();
    for number in 0..count {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", &port.to_string(), &number.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        if pin {
            command.arg("--pin");
        }
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.as_mut().expect("piped")).read_line(&mut line).await?;
        if line != "listening\n" {
            return Err(io::Error::other("a server process does not listen"));
        }
        children.push(child);
    }
    Ok(children)
}

async fn stop_process(mut child: Child) -> io::Result<usize> {
    drop(child.stdin.take());
    let mut said = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut said).await?;
    let status = child.wait().await?;
    if !status.success() {
        return Err(io::Error::other(format!("a server process ended with {status}")));
    }
    said.trim().parse().map_err(io::Error::other)
}

/// What the `number`-th such process does.
pub(crate) fn process(port: u16, number: usize, pin: bool) -> io::Result<()> {
    if pin {
        let processors = coracle::cores::available()?;
        coracle::cores::pin(processors[number % processors.len()])?;
    }
    let served = coracle::block_on(async {
        let input = Stdin::new()?;
        let end = async move { while input.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {} };
        serve(port, || println!("listening"), end).await
    })?;
    println!("{served}");
    Ok(())
}

/// Serves until `stop` is done. How many connections.
async fn serve(port: u16, listens: impl FnOnce(), stop: impl Future) -> io::Result<usize> {
    let listener = bind(port)?;
    listens();
    let served = Rc::new(Cell::new(0));
    let count = served.clone();
    let accepting = spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            count.set(count.get() + 1);
            drop(spawn(echo(stream)));
        }
    });
    stop.await;
    drop(accepting);
    Ok(served.get())
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}
