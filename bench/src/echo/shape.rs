//! What the load looks like: how many connections, how large a message, how many in flight; or connect and close.

/// One row of the benchmark.
#[derive(Clone, PartialEq, Debug)]
pub struct Shape {
    pub name: String,
    pub connections: usize,
    pub load: Load,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Load {
    /// Each connection stays, and keeps `depth` messages of `size` bytes in flight.
    Steady { size: usize, depth: usize },
    /// Each connection is made, echoes one byte, and is closed; the request is all of that.
    Churn,
}

impl Shape {
    pub fn steady(name: &str, connections: usize, size: usize, depth: usize) -> Shape {
        Shape { name: name.to_string(), connections, load: Load::Steady { size, depth } }
    }

    /// The six rows of a full run.
    pub fn defaults() -> Vec<Shape> {
        vec![
            Shape::steady("c50", 50, 64, 1),
            Shape::steady("c1", 1, 64, 1),
            Shape::steady("c500", 500, 64, 1),
            Shape::steady("c50-x16", 50, 64, 16),
            Shape::steady("c50-4k", 50, 4096, 1),
            Shape { name: "churn".to_string(), connections: 50, load: Load::Churn },
        ]
    }

    /// How many requests are under way at once.
    pub fn in_flight(&self) -> usize {
        match self.load {
            Load::Steady { depth, .. } => self.connections * depth,
            Load::Churn => self.connections,
        }
    }

    /// The shape in words, for the heading of its table.
    pub fn describe(&self) -> String {
        let plural = if self.connections == 1 { "" } else { "s" };
        match self.load {
            Load::Steady { size, depth } => {
                format!("{} connection{plural}, {size} B a message, {depth} in flight on each", self.connections)
            }
            Load::Churn => {
                format!("connect, echo 1 byte, close; {} at a time", self.connections)
            }
        }
    }
}
