//! [`Link`] and [`Fault`]: what can be said of the way between two hosts. Plain data; the simulated network and the
//! fault proxy keep to it.

use std::time::Duration;

/// The way from one host to another, in one direction.
///
/// A new one is perfect: no time passes on it, and nothing is lost.
///
/// ```
/// use coracle::sim::Link;
/// use std::time::Duration;
/// let wifi = Link::new().latency(Duration::from_millis(3)).jitter(Duration::from_millis(20)).loss(0.01);
/// assert_eq!(wifi.latency, Duration::from_millis(3));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// How long everything takes.
    pub latency: Duration,
    /// How much longer some of it takes: anything between zero and this. It brings datagrams out of order, never the bytes of a stream.
    pub jitter: Duration,
    /// Bytes a second; `None`: no limit.
    pub bandwidth: Option<u64>,
    /// How much is lost, from 0 to 1: datagrams are gone, the bytes of a stream come later, when they were sent again.
    pub loss: f64,
    /// How many datagrams come twice, from 0 to 1.
    pub duplicates: f64,
    /// Bytes that go in one piece. A longer datagram goes in several and is lost if one of them is.
    pub mtu: usize,
}

impl Default for Link {
    fn default() -> Link {
        Link { latency: Duration::ZERO, jitter: Duration::ZERO, bandwidth: None, loss: 0.0, duplicates: 0.0, mtu: 1500 }
    }
}

impl Link {
    /// A perfect one.
    ///
    /// ```
    /// assert_eq!(coracle::sim::Link::new(), coracle::sim::Link::default());
    /// ```
    pub fn new() -> Link {
        Link::default()
    }

    /// Sets [`latency`](Link::latency).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let _ =
    /// coracle::sim::Link::new().latency(Duration::from_millis(40));
    /// ```
    #[must_use]
    pub fn latency(self, latency: Duration) -> Link {
        Link { latency, ..self }
    }

    /// Sets [`jitter`](Link::jitter).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let _ =
    /// coracle::sim::Link::new().jitter(Duration::from_millis(10));
    /// ```
    #[must_use]
    pub fn jitter(self, jitter: Duration) -> Link {
        Link { jitter, ..self }
    }

    /// Sets [`bandwidth`](Link::bandwidth), in bytes a second; 0 is taken as 1.
    ///
    /// ```
    /// assert_eq!(coracle::sim::Link::new().bandwidth(125_000).bandwidth, Some(125_000));
    /// ```
    #[must_use]
    pub fn bandwidth(self, bytes_a_second: u64) -> Link {
        Link { bandwidth: Some(bytes_a_second.max(1)), ..self }
    }

    /// Sets [`loss`](Link::loss); what is not between 0 and 1 is brought there.
    ///
    /// ```
    /// assert_eq!(coracle::sim::Link::new().loss(7.0).loss, 1.0);
    /// ```
    #[must_use]
    pub fn loss(self, share: f64) -> Link {
        Link { loss: share.clamp(0.0, 1.0), ..self }
    }

    /// Sets [`duplicates`](Link::duplicates); what is not between 0 and 1 is brought there.
    ///
    /// ```
    /// assert_eq!(coracle::sim::Link::new().duplicates(0.5).duplicates, 0.5);
    /// ```
    #[must_use]
    pub fn duplicates(self, share: f64) -> Link {
        Link { duplicates: share.clamp(0.0, 1.0), ..self }
    }

    /// Sets [`mtu`](Link::mtu); less than 68, the least that IPv4 allows, is taken as that.
    ///
    /// ```
    /// assert_eq!(coracle::sim::Link::new().mtu(9000).mtu, 9000);
    /// ```
    #[must_use]
    pub fn mtu(self, bytes: usize) -> Link {
        Link { mtu: bytes.max(68), ..self }
    }
}

/// What becomes of a connection when so many bytes have passed in one direction.
///
/// ```
/// assert_ne!(coracle::sim::Fault::Reset, coracle::sim::Fault::Stall);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Both sides see it reset. What was on its way is lost.
    Reset,
    /// The receiver sees the end of the stream; what the sender sends after that goes nowhere. The other direction lives.
    HalfClose,
    /// Nothing passes any more in this direction, and nobody is told.
    Stall,
}
