//! Messages: bytes with an address and, between Unix sockets, with descriptors. `sendmsg` and `recvmsg`.
//!
//! Descriptors travel as control data (`SCM_RIGHTS`). What is received is close-on-exec, from birth where the system can.
//! When descriptors did not fit, or this process had no room for one, the system says that control data was cut
//! (`MSG_CTRUNC`) and the rest is lost: then those that came are closed too, because half of a message is not what the
//! sender meant, and [`Received`] says so. On the rules S1 to S3 see `unix.rs`.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::unix::count;
use super::{Address, Received, os};

/// How many descriptors one message carries at most: the limit of Linux (SCM_MAX_FD), and not above that of others.
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// Room for that many, with a header and its padding on any system, aligned as a header must be.
type Room = [MaybeUninit<u64>; 136];

const _: () = {
    // SAFETY: arithmetic only.
    let space = unsafe { libc::CMSG_SPACE((MOST_DESCRIPTORS * size_of::<RawFd>()) as libc::c_uint) };
    assert!(space as usize <= size_of::<Room>());
};

fn bytes_of(descriptors: usize) -> libc::c_uint {
    (descriptors * mem::size_of::<RawFd>()) as libc::c_uint
}

/// How long the control data is that carries so many descriptors: exactly, so that there is no room for one more.
fn length_of(descriptors: usize) -> libc::c_uint {
    // SAFETY: arithmetic only.
    unsafe { libc::CMSG_LEN(bytes_of(descriptors)) }
}

/// A message of one piece, which borrows it without saying so.
fn message(piece: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: S3: `msghdr` is integers and pointers, for which zeroes (null) are values.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = piece;
    message.msg_iovlen = 1;
    message
}

pub(super) fn send(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    to: Option<&Address>,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = message(&mut piece);
    if let Some(to) = to {
        message.msg_name = to.as_ptr().cast_mut().cast();
        message.msg_namelen = to.length;
    }
    if descriptors.is_empty() {
        return send_raw(fd, &message);
    }
    let mut room: Room = [const { MaybeUninit::zeroed() }; 136];
    attach(&mut message, &mut room, descriptors)?;
    send_raw(fd, &message)
}

fn send_raw(fd: BorrowedFd<'_>, message: &libc::msghdr) -> io::Result<usize> {
    // SAFETY: S1: everything that `message` points to lives to the end of the call, and is only read.
    count(unsafe { libc::sendmsg(fd.as_raw_fd(), message, os::SEND_FLAGS) })
}

/// Writes control data that carries `descriptors` into `room`, and points `message` to it.
fn attach(message: &mut libc::msghdr, room: &mut Room, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if descriptors.len() > MOST_DESCRIPTORS {
        let what = format!("a message carries at most {MOST_DESCRIPTORS} descriptors, not {}", descriptors.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    message.msg_control = room.as_mut_ptr().cast();
    // SAFETY: arithmetic only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes_of(descriptors.len())) } as _;
    // SAFETY: S1: `message` has control data, of at least a header's length.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: S3: `cmsghdr` is integers only.
    let mut rights: libc::cmsghdr = unsafe { mem::zeroed() };
    rights.cmsg_level = libc::SOL_SOCKET;
    rights.cmsg_type = libc::SCM_RIGHTS;
    rights.cmsg_len = length_of(descriptors.len()) as _;
    // SAFETY: S1: `room` begins with a header.
    unsafe { header.write(rights) };
    // SAFETY: S1: the data follows the header, in `room`.
    let data = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
    for (place, descriptor) in descriptors.iter().enumerate() {
        // SAFETY: S1: `room` is long enough for `MOST_DESCRIPTORS`.
        let data = unsafe { data.add(place) };
        // SAFETY: S1: as above.
        unsafe { data.write_unaligned(descriptor.as_raw_fd()) };
    }
    Ok(())
}

pub(super) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received> {
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut from = Address::empty();
    let mut room: Room = [const { MaybeUninit::uninit() }; 136];
    let mut message = message(&mut piece);
    (message.msg_name, message.msg_namelen) = (from.as_mut_ptrs().0.cast(), from.length);
    if most > 0 {
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = length_of(most.min(MOST_DESCRIPTORS)) as _;
    }
    let flags = os::RECEIVE_FLAGS | if peek { libc::MSG_PEEK } else { 0 };
    // SAFETY: S1: everything that `message` points to lives to the end of the call, with its true length.
    let count = count(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, flags) })?;
    from.length = message.msg_namelen;
    let mut received = Received {
        count,
        from,
        truncated: message.msg_flags & libc::MSG_TRUNC != 0,
        descriptors: if most > 0 { detach(&message)? } else { Vec::new() },
        descriptors_lost: message.msg_flags & libc::MSG_CTRUNC != 0,
    };
    if received.descriptors_lost {
        received.descriptors.clear();
    }
    Ok(received)
}

/// The descriptors among the control data of a message that was received.
fn detach(message: &libc::msghdr) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    let length: usize = message.msg_controllen as _;
    let end = message.msg_control as usize + length;
    // SAFETY: S1: the kernel wrote the control data, and its length.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: S1: a header that is not null lies within the control data.
        let rights = unsafe { header.read() };
        if (rights.cmsg_level, rights.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: S1: the data follows the header.
            let data = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
            // Where it was cut, some systems still write the length that it had.
            let length = (header as usize + rights.cmsg_len as usize).min(end).saturating_sub(data as usize);
            for place in 0..length / mem::size_of::<RawFd>() {
                // SAFETY: S1: within the data, as just worked out.
                let place = unsafe { data.add(place) };
                // SAFETY: S1: as above.
                let raw = unsafe { place.read_unaligned() };
                // SAFETY: S2: the call made it just now.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(raw) });
            }
        }
        // SAFETY: S1: as for the first.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    descriptors.iter().try_for_each(os::finish_received)?;
    Ok(descriptors)
}
