//! How many descriptors this process may have open. Many systems begin with 1,024, some with 256: too few for five
//! hundred connections with both ends here. Beyond the soft limit there is a hard one, up to which anybody may go.

use std::io;

/// What is open besides connections: the standard streams, the listener, the poller, and what was inherited.
const OTHERS: libc::rlim_t = 24;

/// Sees to it that so many connections can be open at once.
pub(crate) fn allow_descriptors(connections: u32) -> io::Result<()> {
    let needed = libc::rlim_t::from(connections) + OTHERS;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole `rlimit`, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur >= needed {
        return Ok(());
    }
    if limit.rlim_max < needed {
        let (connections, most) = (needed - OTHERS, limit.rlim_max);
        let what =
            format!("{connections} connections need {needed} descriptors, and {most} are allowed (see ulimit -n)");
        return Err(io::Error::other(what));
    }
    limit.rlim_cur = needed;
    // SAFETY: the pointer is to a whole `rlimit`, which the call only reads.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
