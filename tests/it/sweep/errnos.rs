//! What each call may say, and what is right to come of it. The lists are those of the manuals (Linux and POSIX), without
//! what only a mistake of the caller's gives.

use coracle::sys::Call;
use libc::{
    E2BIG, EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, ECHILD, ECONNABORTED, ECONNREFUSED,
    ECONNRESET, EHOSTUNREACH, EINTR, EINVAL, EIO, EMFILE, EMSGSIZE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENODEV,
    ENOENT, ENOMEM, ENOPROTOOPT, ENOSPC, ENOSYS, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE, EPROTO, ESRCH, ETIMEDOUT,
    ETOOMANYREFS,
};

use super::fault::{After, Fault, Place};

/// What cannot fail, by the documents of [`Call`]; the world does not ask the hook.
pub(super) const CANNOT_FAIL: [Call; 5] = [Call::Now, Call::Random, Call::Nap, Call::Close, Call::Release];

/// With what a call may fail.
pub(super) fn errnos(call: Call) -> &'static [i32] {
    match call {
        Call::Thread => &[EAGAIN, ENOMEM, EPERM],
        Call::Processors | Call::Pin => &[EINVAL, EPERM],
        Call::Poller => &[EMFILE, ENFILE, ENOMEM],
        Call::Add => &[ENOMEM, ENOSPC, EPERM, EBADF],
        Call::Remove => &[ENOENT, EBADF, ENOMEM],
        Call::Wait => &[EINTR, EBADF, EINVAL, ENOMEM],
        Call::Notify => &[EBADF, EIO],
        Call::Alarm => &[EMFILE, ENOMEM],
        Call::Socket => &[EMFILE, ENFILE, ENOBUFS, EACCES, EAFNOSUPPORT],
        Call::SocketPair => &[EMFILE, ENFILE, ENOMEM],
        Call::Bind => &[EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL, ENOMEM],
        Call::Listen => &[EADDRINUSE, EOPNOTSUPP],
        Call::Accept => &[
            EAGAIN,
            EINTR,
            ECONNABORTED,
            EPROTO,
            EPERM,
            ENETDOWN,
            EHOSTUNREACH,
            EMFILE,
            ENFILE,
            ENOBUFS,
            ENOMEM,
            EBADF,
            EINVAL,
            EOPNOTSUPP,
        ],
        Call::Connect => {
            &[EAGAIN, EINTR, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EACCES, EPERM]
        }
        Call::Receive | Call::ReceiveMessage => {
            &[EAGAIN, EINTR, ECONNRESET, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENOMEM, EBADF]
        }
        Call::Send => &[EAGAIN, EINTR, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EPERM, EHOSTUNREACH],
        Call::SendMessage => {
            &[EAGAIN, EINTR, EMSGSIZE, ENOBUFS, ENOMEM, EPERM, ECONNREFUSED, ENETUNREACH, ETOOMANYREFS]
        }
        // ENOTCONN says that it has ended, which is as good; if it is a lie, the peer waits for an end that does not come.
        Call::Shutdown => &[ENOBUFS],
        // ENOTCONN says that a connection is not there yet, which an attempt waits for: it would be a lie.
        Call::Address => &[ENOBUFS, EINVAL],
        Call::Option => &[ENOPROTOOPT, ENOBUFS],
        Call::SetOption => &[ENOPROTOOPT, EINVAL, ENOMEM, EPERM],
        Call::Credentials => &[ENOTCONN, ENOBUFS],
        Call::Membership => &[EADDRINUSE, ENODEV, ENOBUFS],
        Call::Pipe => &[EMFILE, ENFILE],
        Call::Read => &[EAGAIN, EINTR, EIO, EBADF],
        Call::Write => &[EAGAIN, EINTR, EPIPE, ENOSPC, EIO],
        Call::Ready => &[EINTR, ENOMEM, EINVAL],
        Call::Watch => &[EMFILE, ENOMEM, EINVAL],
        Call::Spawn => &[ENOENT, EACCES, EAGAIN, ENOMEM, EMFILE, E2BIG],
        Call::ExitDescriptor => &[ENOSYS, EPERM, EMFILE, ENODEV, ENOMEM],
        Call::AwaitExit => &[ECHILD, EINVAL],
        Call::Reap => &[ECHILD, EINTR],
        Call::SendSignal => &[EPERM, ESRCH],
        Call::Resolve => &[ENOMEM, ETIMEDOUT, EIO],
        // It may have come into the world after this table; see `every_call_is_in_the_table`.
        _ => &[],
    }
}

/// Why a program may wait for ever, or for long, after this; `None`: it must not.
pub(super) fn endless(fault: &Fault) -> Option<&'static str> {
    let exhausted = [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(&fault.errno);
    let broken = [ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH].contains(&fault.errno);
    match (fault.call, fault.errno) {
        _ if fault.after == After::Descriptors => {
            Some("an accept waits for room, and a loop without a poller for luck")
        }
        (Call::Wait, _) if fault.lasts() => Some("a poller that never works shows nothing ready"),
        (Call::Add, ENOMEM) if fault.lasts() => Some("an accept waits for memory"),
        (Call::Notify, _) if fault.lasts() => Some("a loop that nobody can wake sleeps on"),
        (Call::Accept, _) if exhausted => {
            Some("accept waits for a second, or for a closed descriptor, and tries again")
        }
        (Call::Accept, _) if broken && fault.lasts() => Some("all connections break before they are accepted"),
        (Call::Connect, EAGAIN) => Some("a world says so of what it has begun, or of a queue that is full"),
        (Call::Thread | Call::Spawn, EAGAIN) => None,
        (_, EAGAIN) => Some("edge-triggered: what is said to be drained is waited for"),
        (_, EINTR) if fault.lasts() => Some("interrupted each time, it is done again each time"),
        _ => None,
    }
}

/// In which function a failure of which call need not reach anybody, and why that is right.
const NOBODY_IS_TOLD: &[(Call, &[i32], &str, &str)] = &[
    (Call::Remove, &[], "deregister", "the descriptor is closed next, which takes it out too"),
    (Call::Add, &[], "register_untried", "the operation is tried, and if it has to wait, it is done again"),
    (Call::Wait, &[], "", "the loop naps and waits again"),
    (Call::Notify, &[], "", "it is tried again, at once"),
    (Call::Alarm, &[], "keep_descriptor_true", "a timer is late until the next turn"),
    (Call::Poller, &[], "Loop::wait", "a loop without a poller naps"),
    (Call::Poller, &[], "keep_descriptor_true", "as before"),
    (
        Call::Accept,
        &[EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH],
        "accept_one",
        "the next may be whole",
    ),
    (Call::Connect, &[EAGAIN, EINTR], "UnixConnect", "it is done again"),
    (Call::Shutdown, &[], "end_writing", "a half that is dropped, of a connection that has ended"),
    (Call::Socket, &[], "Race::begin", "the next address is tried"),
    (Call::Connect, &[], "Race::begin", "as before"),
    (Call::Add, &[], "Attempt::poll", "as before"),
    (Call::Option, &[], "Attempt::poll", "as before"),
    (Call::Address, &[], "Attempt::poll", "as before"),
    (Call::Add, &[], "Reaper", "it tries again"),
    (Call::Add, &[ENOMEM], "listener::Accept", "it waits for memory, and tries again"),
    (Call::AwaitExit, &[], "Running::poll_end", "the child turns out to have ended"),
    (Call::Thread, &[], "Running::poll_end", "as before"),
    (Call::ExitDescriptor, &[], "Running::new", "a thread waits for the child"),
    (Call::Reap, &[], "leave", "the reaper tries again"),
    (Call::Reap, &[], "signal", "if that cannot be found out, the signal is worth more"),
    (Call::Reap, &[], "drop", "nobody is left to be told"),
    (Call::Reap, &[], "Reaper", "it tries again"),
    (Call::SendSignal, &[], "drop", "nobody is left to be told"),
];

/// Whether it is right that the program ended well.
pub(super) fn may_be_hidden(fault: &Fault, place: &Place) -> bool {
    let tried_again = [
        Call::Accept,
        Call::Receive,
        Call::Send,
        Call::ReceiveMessage,
        Call::SendMessage,
        Call::Read,
        Call::Write,
        Call::Ready,
        Call::Reap,
    ];
    let by_rule = |(call, errnos, function, _): &(Call, &[i32], &str, &str)| {
        *call == fault.call && (errnos.is_empty() || errnos.contains(&fault.errno)) && place.is_in(function)
    };
    fault.errno == EINTR && tried_again.contains(&fault.call) || NOBODY_IS_TOLD.iter().any(by_rule)
}

/// Whether it is wrong that anybody was told. What only tries says all; what waits does not speak of interruptions.
pub(super) fn must_be_hidden(fault: &Fault, place: impl FnOnce() -> Option<Place>) -> bool {
    let waits = |place: &Place| {
        ["Registration::poll_on", "Retry::poll", "accept_one"].iter().any(|function| place.is_in(function))
    };
    match (fault.call, fault.errno) {
        _ if fault.after == After::Descriptors => false,
        (Call::Remove | Call::ExitDescriptor | Call::Notify, _) => true,
        (Call::Accept, _) => place().is_some_and(|place| waits(&place) && may_be_hidden(fault, &place)),
        (_, EINTR) => place().is_some_and(|place| waits(&place)),
        _ => false,
    }
}

/// Whether it is right that the program was told this instead.
pub(super) fn may_be_said_so(fault: &Fault, said: &str) -> bool {
    match (fault.call, fault.errno) {
        (Call::Reap | Call::AwaitExit, ECHILD) => said.contains("its status is lost"),
        _ => false,
    }
}
