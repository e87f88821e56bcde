//! Datagrams: UDP, connected and not, with its options and groups; Unix sockets.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use coracle::net::{UdpOptions, UdpSocket, UnixDatagram};

use super::local::TempPath;
use super::run::{is_empty, note};
use super::task;

pub(super) async fn udp() -> io::Result<()> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let to = other.local_addr()?;
    let answering = task(async move {
        let mut buffer = [0; 8];
        for _ in 0..2 {
            let (length, from) = other.recv_from(&mut buffer).await?;
            other.send_to(&buffer[..length], from).await?;
        }
        Ok(())
    });
    let answering = async {
        // Without an answerer nobody would answer.
        answering.await?;
        io::Result::Ok(())
    };
    let asking = async {
        one.send_to(b"ping", to).await?;
        assert_eq!(one.recv_message(&mut [0; 8]).await?.length, 4);
        one.connect(to)?;
        assert_eq!(one.peer_addr()?, to);
        one.send(b"again").await?;
        assert_eq!(one.recv(&mut [0; 8]).await?, 5);
        Ok(())
    };
    coracle::task::try_join((asking, answering)).await.map(drop)
}

/// Each way to do what a socket for datagrams can do.
pub(super) async fn ways() -> io::Result<()> {
    let one = UdpOptions::new().reuse_address(true).reuse_port(true).bind("127.0.0.1:0")?;
    let six = UdpOptions::new().v6_only(true).bind("[::1]:0")?;
    let to = one.local_addr()?;
    let mut byte = [0];
    is_empty(one.try_recv(&mut byte))?;
    poll_fn(|cx| one.poll_send_to(cx, b"a", to)).await?;
    one.peek_from(&mut byte).await?;
    poll_fn(|cx| one.poll_peek_from(cx, &mut byte)).await?;
    one.peek(&mut byte).await?;
    poll_fn(|cx| one.poll_recv(cx, &mut byte)).await?;
    one.try_send_to(b"b", to)?;
    one.try_recv_from(&mut byte)?;
    one.connect(to)?;
    poll_fn(|cx| one.poll_send(cx, b"c")).await?;
    one.try_send(b"d")?;
    poll_fn(|cx| one.poll_recv_from(cx, &mut byte)).await?;
    poll_fn(|cx| one.poll_recv_message(cx, &mut byte)).await?;

    one.set_ttl(3)?;
    one.set_broadcast(true)?;
    assert_eq!((one.ttl()?, one.broadcast()?), (3, true));
    six.set_ttl(4)?;
    assert!(six.ttl()? == 4 && six.take_error()?.is_none());
    one.set_multicast_interface_v4(Ipv4Addr::LOCALHOST)?;
    one.set_multicast_ttl_v4(1)?;
    six.set_multicast_interface_v6(1)?;
    // Where the loopback interface has no groups, joining says so.
    let group = Ipv4Addr::new(239, 255, 41, 8);
    let known = [libc::ENODEV, libc::EADDRNOTAVAIL].map(Some);
    for result in [
        one.join_multicast_v4(group, Ipv4Addr::LOCALHOST),
        one.leave_multicast_v4(group, Ipv4Addr::LOCALHOST),
        six.join_multicast_v6(Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x41, 8), 1),
        six.leave_multicast_v6(Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x41, 8), 1),
    ] {
        match note(result) {
            Err(error) if known.contains(&error.raw_os_error()) => {}
            result => result?,
        }
    }
    Ok(())
}

pub(super) async fn unix() -> io::Result<()> {
    let path = TempPath::new();
    let receiver = UnixDatagram::bind(&path)?;
    let receiving = task(async move {
        let mut buffer = [0; 8];
        assert_eq!(receiver.recv_from(&mut buffer).await?.0, 4);
        assert_eq!(receiver.recv(&mut buffer).await?, 5);
        Ok(())
    });
    let sending = async {
        let sender = UnixDatagram::unbound()?;
        sender.send_to(b"ping", &path).await?;
        sender.connect(&path)?;
        sender.send(b"again").await?;
        let (one, other) = UnixDatagram::pair()?;
        one.peer_credentials()?;
        one.send(b"x").await?;
        assert_eq!(other.recv(&mut [0; 8]).await?, 1);
        Ok(())
    };
    coracle::task::try_join((sending, receiving)).await.map(drop)
}
