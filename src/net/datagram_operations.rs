//! The futures of [`Datagrams`](super::Datagrams). Each takes or sends one datagram, whole; none has a state of its own, so
//! all are cancel-safe.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::datagram::{Message, as_message, receive, with_address};
use super::domain::{Domain, Internet};
use super::registration::Done;
use super::source::Operation;
use crate::sys::Address;

/// Defines a future that receives: what it makes of what was `received`.
macro_rules! receiving {
    ($(#[$doc:meta])* $name:ident -> $output:ty, peek: $peek:literal, |$received:ident| $made:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "a future does nothing unless awaited"]
        pub struct $name<'a, D: Domain = Internet> {
            pub(super) operation: Operation<'a>,
            pub(super) buffer: &'a mut [u8],
            pub(super) domain: PhantomData<D>,
        }

        impl<D: Domain> Unpin for $name<'_, D> {}

        impl<D: Domain> Future for $name<'_, D> {
            type Output = io::Result<$output>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = &mut *self;
                this.operation.poll(cx, |world, fd| {
                    let $received = receive(world, fd, this.buffer, $peek)?;
                    $made.map(Done::with)
                })
            }
        }
    };
}

receiving! {
    /// See [`Datagrams::recv_from`](super::Datagrams::recv_from).
    RecvFrom -> (usize, D::Address), peek: false, |received| with_address::<D>(received)
}

receiving! {
    /// See [`Datagrams::recv_message`](super::Datagrams::recv_message).
    RecvMessage -> Message<D::Address>, peek: false, |received| as_message::<D>(received)
}

receiving! {
    /// See [`Datagrams::peek_from`](super::Datagrams::peek_from).
    PeekFrom -> (usize, D::Address), peek: true, |received| with_address::<D>(received)
}

receiving! {
    /// See [`Datagrams::recv`](super::Datagrams::recv).
    RecvDatagram -> usize, peek: false, |received| io::Result::Ok(received.count)
}

receiving! {
    /// See [`Datagrams::peek`](super::Datagrams::peek).
    PeekDatagram -> usize, peek: true, |received| io::Result::Ok(received.count)
}

/// See [`Datagrams::send`](super::Datagrams::send).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct SendDatagram<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) bytes: &'a [u8],
}

impl Future for SendDatagram<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.operation.poll(cx, |world, fd| world.send(fd, this.bytes).map(Done::with))
    }
}

/// See [`UdpSocket::send_to`](super::UdpSocket::send_to).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct SendTo<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) bytes: &'a [u8],
    pub(super) to: Address,
}

impl Future for SendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.operation.poll(cx, |world, fd| world.send_message(fd, this.bytes, Some(&this.to), &[]).map(Done::with))
    }
}
