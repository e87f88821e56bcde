//! The books, kept by hand: no descriptor here is real.

use super::*;

fn ip(port: u16) -> Option<Name> {
    Some(Name::Ip(SocketAddr::from(([127, 0, 0, 1], port))))
}

fn any(port: u16) -> Option<Name> {
    Some(Name::Ip(SocketAddr::from(([0, 0, 0, 0], port))))
}

/// Descriptor 3 listens on port 80.
fn listening() -> Sockets {
    let mut sockets = Sockets::default();
    sockets.made(3, Kind::Stream);
    sockets.was_bound(3, ip(80));
    sockets.listens(3);
    sockets
}

/// Descriptor 4 is connected to it, as 5.
fn connected() -> Sockets {
    let mut sockets = listening();
    sockets.made(4, Kind::Stream);
    sockets.connects(4, ip(1000), ip(80));
    assert_eq!(sockets.partner(4), Some(Partner::Queued));
    sockets.accepted(3, 5, ip(80), ip(1000), true);
    sockets
}

#[test]
fn both_ends_of_a_connection_are_each_others() {
    let sockets = connected();
    assert_eq!((sockets.partner(4), sockets.partner(5)), (Some(Partner::Open(5)), Some(Partner::Open(4))));
    assert!((3..=5).all(|fd| sockets.is_inside(fd).is_ok()));
    assert_eq!(sockets.connections().count(), 2);
}

#[test]
fn an_end_that_was_closed_here_is_no_stranger() {
    let mut sockets = connected();
    sockets.closes(4);
    assert_eq!(sockets.partner(5), Some(Partner::Closed));
    sockets.closes(5);
    assert!(sockets.gone.is_empty() && sockets.connections.is_empty(), "something was kept");
}

#[test]
fn one_that_was_closed_before_it_was_accepted_is_none_either() {
    let mut sockets = listening();
    sockets.made(4, Kind::Stream);
    sockets.connects(4, ip(1000), ip(80));
    sockets.closes(4);
    sockets.accepted(3, 5, ip(80), ip(1000), true);
    assert_eq!(sockets.partner(5), Some(Partner::Closed));
}

#[test]
fn who_gives_an_end_away_makes_a_stranger_of_it() {
    let mut released = connected();
    released.forget(4);
    assert_eq!(released.partner(5), Some(Partner::Elsewhere));
    let mut shared = connected();
    shared.shares(4);
    assert!(shared.is_inside(5).is_err());
    shared.closes(4);
    assert!(shared.is_inside(5).is_err(), "its duplicate is not closed");
}

#[test]
fn only_strangers_come_from_elsewhere() {
    let mut sockets = listening();
    sockets.accepted(3, 5, ip(80), ip(1000), true);
    assert!(sockets.is_inside(5).is_err() && sockets.is_inside(9).is_err());
    sockets.made(6, Kind::Stream);
    sockets.connects(6, ip(1001), ip(81));
    assert!(sockets.is_inside(6).is_err(), "nobody here listens there");
    sockets.made(7, Kind::Stream);
    sockets.was_bound(7, any(81));
    sockets.listens(7);
    assert!(sockets.is_inside(7).is_err(), "anybody may connect to it");
    assert!(sockets.is_inside(6).is_ok(), "it takes what comes to any address");
}

#[test]
fn unix_connections_are_matched_in_order() {
    let name = || Some(Name::Unix(b"/tmp/socket".to_vec()));
    let mut sockets = Sockets::default();
    sockets.made(3, Kind::Stream);
    sockets.was_bound(3, name());
    sockets.listens(3);
    for client in [4, 5, 6] {
        sockets.made(client, Kind::Stream);
        sockets.connects(client, None, name());
        assert_eq!(sockets.partner(client), Some(Partner::Queued));
    }
    sockets.closes(5);
    for accepted in [7, 8, 9, 10] {
        sockets.accepted(3, accepted, name(), None, true);
    }
    let partners = [7, 8, 9, 10].map(|fd| sockets.partner(fd).unwrap());
    assert_eq!(partners, [Partner::Open(4), Partner::Closed, Partner::Open(6), Partner::Elsewhere]);
    assert_eq!(sockets.partner(6), Some(Partner::Open(9)));
}

#[test]
fn datagrams_are_within_if_a_socket_here_is_at_the_other_end() {
    let mut sockets = Sockets::default();
    sockets.made(3, Kind::Datagram);
    assert!(sockets.is_inside(3).is_err());
    sockets.was_bound(3, ip(53));
    assert!(sockets.is_inside(3).is_ok());
    sockets.made(4, Kind::Datagram);
    sockets.connects(4, ip(1000), ip(53));
    assert!(sockets.is_inside(4).is_ok());
    sockets.closes(3);
    assert!(sockets.is_inside(4).is_err(), "whoever is bound there next is a stranger");
}

#[test]
fn a_pair_is_within_until_one_end_leaves() {
    let mut sockets = Sockets::default();
    sockets.paired(3, 4, Kind::Stream);
    assert!(sockets.is_inside(3).is_ok() && sockets.is_inside(4).is_ok());
    sockets.forget(4);
    assert!(sockets.is_inside(3).is_err());
    sockets.paired(5, 6, Kind::Stream);
    sockets.closes(6);
    assert!(sockets.is_inside(5).is_ok());
    // The number 5 was closed by somebody who did not say so.
    sockets.made(5, Kind::Stream);
    assert!(sockets.is_inside(5).is_ok());
}
