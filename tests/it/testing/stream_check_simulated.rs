//! Simulated streams against what every stream must do: within a host, and from host to host.

use std::time::Duration;

use coracle::Runtime;
use coracle::net::{TcpListener, TcpStream};
use coracle::sim::{Link, Simulation};
use coracle::testing::{Checks, FaultProxy, check_stream, tcp_pair, unix_pair};

/// As long as packets that were lost may be under way.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn sockets_of_a_simulated_host_are_streams() {
    for seed in 0..3 {
        let mut simulation = Simulation::new(seed);
        let world = simulation.world("host");
        Runtime::builder().world(world).build().block_on(async {
            check_stream(async || tcp_pair().await).await.assert();
            check_stream(async || unix_pair()).await.assert();
        });
    }
}

/// Both ends of a check are in one task, so bytes from host to host come back by another one: a relay, which is itself a
/// program with two connections.
#[test]
fn connections_of_simulated_hosts_are_streams() {
    for (seed, link) in [
        (0, Link::new()),
        (1, Link::new().latency(Duration::from_millis(20))),
        (2, Link::new().latency(Duration::from_millis(5)).jitter(Duration::from_millis(50)).loss(0.02)),
    ] {
        let mut simulation = Simulation::new(seed);
        simulation.network().links(link);
        simulation.host("relay", || async {
            let _relay = FaultProxy::bind("0.0.0.0:7000", "checker:8000").await?;
            std::future::pending::<std::io::Result<()>>().await
        });
        simulation.client("checker", || async {
            let listener = TcpListener::bind("0.0.0.0:8000")?;
            let pair = async || {
                let client = TcpStream::connect("relay:7000").await?;
                let (server, _) = listener.accept().await?;
                Ok((client, server))
            };
            let checks = Checks::new().patience(PATIENCE).limit(Duration::from_secs(24 * 3600));
            checks.run(pair).await.assert();
            std::io::Result::Ok(())
        });
        simulation.limit(Duration::from_secs(30 * 24 * 3600));
        simulation.run().unwrap();
    }
}
