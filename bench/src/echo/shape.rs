//! What the load looks like: how many connections, how large a message, how many in flight; or connect and close.

/// One row of the benchmark.
#[derive(Clone, PartialEq, Debug)]
pub struct Shape {
    pub name: String,
    pub connections: usize,
    pub load: Load,
    pub mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Load {
    /// Each connection stays, and keeps `depth` messages of `size` bytes in flight.
    Steady { size: usize, depth: usize },
    /// One connection, request after request, and how long each takes.
    Ping { size: usize },
    /// Each connection is made, echoes one byte, and is closed; the request is all of that.
    Churn,
}

/// How the servers are told to work. One that cannot do what a mode says does the usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Each connection has a buffer of 4 KiB, and a server with nothing to do sleeps.
    Usual,
    /// Reads of up to 256 KiB into a buffer that a connection has only while there is something to read.
    Bulk,
    /// As usual, but a server with nothing to do looks for 50 µs before it sleeps.
    Spin,
}

/// How many connections the rows of `scale` have.
pub const SCALE: [usize; 5] = [10, 100, 1_000, 5_000, 15_000];

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Usual, Mode::Bulk, Mode::Spin];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Usual => "usual",
            Mode::Bulk => "bulk",
            Mode::Spin => "spin",
        }
    }

    pub fn by_name(name: &str) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

impl Shape {
    pub fn steady(name: &str, connections: usize, size: usize, depth: usize) -> Shape {
        Shape { name: name.to_string(), connections, load: Load::Steady { size, depth }, mode: Mode::Usual }
    }

    fn ping(name: &str, mode: Mode) -> Shape {
        Shape { name: name.to_string(), connections: 1, load: Load::Ping { size: 64 }, mode }
    }

    /// The rows of a full run, but for those that are measured otherwise (`calls`, `idle`) and those of `scale`.
    pub fn defaults() -> Vec<Shape> {
        vec![
            Shape::steady("c50", 50, 64, 1),
            Shape::steady("c1", 1, 64, 1),
            Shape::steady("c500", 500, 64, 1),
            Shape::steady("c5000", 5_000, 64, 1),
            Shape::steady("c50-x16", 50, 64, 16),
            Shape::steady("c50-4k", 50, 4096, 1),
            Shape { mode: Mode::Bulk, ..Shape::steady("c50-64k", 50, 64 << 10, 1) },
            Shape { name: "churn".to_string(), connections: 50, load: Load::Churn, mode: Mode::Usual },
            Shape::ping("ping", Mode::Usual),
            Shape::ping("ping-spin", Mode::Spin),
        ]
    }

    /// The same load on more and more connections.
    pub fn scale() -> Vec<Shape> {
        SCALE.iter().map(|&connections| Shape::steady(&format!("scale-{connections}"), connections, 64, 1)).collect()
    }

    /// How many requests are under way at once.
    pub fn in_flight(&self) -> usize {
        match self.load {
            Load::Steady { depth, .. } => self.connections * depth,
            Load::Ping { .. } => 1,
            Load::Churn => self.connections,
        }
    }

    /// The shape in words, for the heading of its table.
    pub fn describe(&self) -> String {
        let plural = if self.connections == 1 { "" } else { "s" };
        let load = match self.load {
            Load::Steady { size, depth } => {
                format!("{} connection{plural}, {size} B a message, {depth} in flight on each", self.connections)
            }
            Load::Ping { size } => format!("one connection, {size} B a message, request after request"),
            Load::Churn => format!("connect, echo 1 byte, close; {} at a time", self.connections),
        };
        match self.mode {
            Mode::Usual => load,
            Mode::Bulk => load + "; reads of up to 256 KiB, a buffer lent while there is something to read",
            Mode::Spin => load + "; before it sleeps a server looks for 50 µs, where it can",
        }
    }
}
