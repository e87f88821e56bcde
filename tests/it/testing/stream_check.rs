//! Streams of all kinds against what every stream must do.

use coracle::Runtime;
use coracle::io::{BufReader, BufWriter, Result, duplex, join, split};
use coracle::net::TcpStream;
use coracle::sys::World;
use coracle::testing::{Checks, Choices, check_stream, lockstep, tcp_pair, unix_pair};

/// With buffers that are full soon.
async fn narrow_pair() -> Result<(TcpStream, TcpStream)> {
    let (client, server) = tcp_pair().await?;
    for stream in [&client, &server] {
        stream.set_send_buffer_size(32 * 1024)?;
        stream.set_recv_buffer_size(32 * 1024)?;
    }
    Ok((client, server))
}

#[test]
fn tcp_streams_are_streams() {
    coracle::block_on(async {
        let checked = check_stream(narrow_pair).await;
        assert_eq!(checked.passed(), Checks::names().collect::<Vec<_>>());
    });
}

#[test]
fn tcp_streams_with_the_system_s_buffers_are_streams() {
    coracle::block_on(async { check_stream(async || tcp_pair().await).await.assert() });
}

#[test]
fn unix_streams_are_streams() {
    coracle::block_on(async { check_stream(async || unix_pair()).await.assert() });
}

#[test]
fn duplexes_of_all_sizes_are_streams() {
    for capacity in [64, 1 << 20] {
        coracle::block_on(async { check_stream(async || Ok(duplex(capacity))).await.assert() });
    }
    for capacity in [0, 7] {
        let why = "byte by byte it takes seconds";
        let checks = Checks::new().without("a mebibyte", why).without("both directions at once", why);
        coracle::block_on(async { checks.run(async || Ok(duplex(capacity))).await.assert() });
    }
}

#[test]
fn ends_in_lockstep_are_streams() {
    coracle::block_on(async { check_stream(async || Ok(lockstep())).await.assert() });
}

#[test]
fn halves_that_are_joined_are_streams() {
    coracle::block_on(async {
        let halves = async || {
            let (client, server) = tcp_pair().await?;
            let (reader, writer) = client.into_split();
            let (server_reader, server_writer) = split(server);
            Ok((join(reader, writer), join(server_reader, server_writer)))
        };
        check_stream(halves).await.assert();
    });
}

#[test]
fn buffered_streams_are_streams() {
    coracle::block_on(async {
        let buffered = async || {
            let (client, server) = unix_pair()?;
            Ok((BufReader::new(client), BufWriter::new(BufReader::with_capacity(3, server))))
        };
        check_stream(buffered).await.assert();
    });
}

/// Short reads and writes, calls that say that they would block, needless wakes, and another order, on real sockets.
#[test]
fn sockets_in_a_hostile_world_are_streams() {
    let hostile = |seed| {
        let choices = Choices::seeded(seed);
        let world = World::kernel().paused().hostile(&choices);
        Runtime::builder().world(world).choices(choices).build()
    };
    hostile(1).block_on(async { check_stream(async || unix_pair()).await.assert() });
    hostile(2).block_on(async { check_stream(narrow_pair).await.assert() });
}

#[test]
fn a_behaviour_that_was_left_out_is_in_the_report_with_its_reason() {
    coracle::block_on(async {
        let checks = Checks::new().without("half close", "the protocol has none");
        let checked = checks.run(async || Ok(duplex(4096))).await;
        assert!(!checked.passed().contains(&"half close"));
        assert_eq!(checked.passed().len(), Checks::names().count() - 1);
        let report = checked.to_string();
        assert_eq!(
            report,
            "the stream has 35 of 35 behaviours of a stream\n  left out: half close: the protocol has none"
        );
    });
    let unknown = std::panic::catch_unwind(|| Checks::new().without("half clothes", "a slip"));
    assert!(unknown.unwrap_err().downcast::<String>().unwrap().starts_with("there is no behaviour \"half clothes\""));
}
