//! Socket addresses: [`Address`] is one of any family, as the kernel writes it; from and to std's types.
//!
//! It is not taken apart before somebody asks: an address that is only carried from one call to the next costs no more
//! than its bytes.

use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit, offset_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::SocketAddr as UnixName;

use super::os;

/// An address in the kernel's form, with its length.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    storage: libc::sockaddr_storage,
    pub(super) length: libc::socklen_t,
}

impl Address {
    /// Room for an address that the kernel is about to write.
    pub(super) fn empty() -> Address {
        // SAFETY: S3: `sockaddr_storage` is plain integers, for which all zeroes is a value.
        let storage = unsafe { MaybeUninit::zeroed().assume_init() };
        Address { storage, length: mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// Where the kernel is to write, and where it finds the room and leaves the length.
    pub(super) fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.length)
    }

    /// The address of the internet that this is.
    pub(crate) fn to_ip(self) -> io::Result<SocketAddr> {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: S3: the family says that the kernel wrote a `sockaddr_in`; the storage is initialised.
                let v4 = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: S3: likewise a `sockaddr_in6`.
                let v6 = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Ok(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not an internet address")),
        }
    }

    /// The name of a Unix socket that this is. A socket without a name has none at all, which some systems write as an
    /// address of no family. A path that fills the structure to its last byte, as Linux allows, std cannot say: it comes
    /// as no name, since what its owner sent, or that it connects, is worth more.
    pub(crate) fn to_unix(self) -> io::Result<UnixName> {
        let family = i32::from(self.storage.ss_family);
        if family != libc::AF_UNIX && family != libc::AF_UNSPEC {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the address of a Unix socket"));
        }
        // SAFETY: S3: `sockaddr_storage` is made to be seen as any address type: large and aligned enough.
        let unix = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_un>() };
        let path = unix.sun_path.map(|byte| byte as u8);
        let length = (self.length as usize).saturating_sub(offset_of!(libc::sockaddr_un, sun_path)).min(path.len());
        match path[..length] {
            [0, ref name @ ..] => os::unix_name_without_path(name),
            ref path => {
                let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                let path = std::ffi::OsString::from_vec(path.to_vec());
                UnixName::from_pathname(path).or_else(|_| UnixName::from_pathname(""))
            }
        }
    }
}

/// One that is passed on.
impl From<&Address> for Address {
    fn from(address: &Address) -> Address {
        *address
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let mut raw = Address::empty();
        match address {
            SocketAddr::V4(address) => {
                // SAFETY: S3: `sockaddr_storage` is made to be seen as any address type: large and aligned enough.
                let v4 = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_in>() };
                v4.sin_family = libc::AF_INET as libc::sa_family_t;
                v4.sin_port = address.port().to_be();
                v4.sin_addr.s_addr = u32::from(*address.ip()).to_be();
                raw.length = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(address) => {
                // SAFETY: S3: as above.
                let v6 = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_in6>() };
                v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                v6.sin6_port = address.port().to_be();
                v6.sin6_flowinfo = address.flowinfo();
                v6.sin6_addr.s6_addr = address.ip().octets();
                v6.sin6_scope_id = address.scope_id();
                raw.length = mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        raw
    }
}

impl From<&UnixName> for Address {
    /// A path ends with a zero byte; a name of Linux's abstract kind begins with one; no name is no bytes.
    fn from(name: &UnixName) -> Address {
        let (begin, bytes, end) = match (name.as_pathname(), os::abstract_name(name)) {
            (Some(path), _) => (0, path.as_os_str().as_bytes(), 1),
            (None, Some(bytes)) => (1, bytes, 0),
            (None, None) => (0, &[][..], 0),
        };
        let mut raw = Address::empty();
        // SAFETY: S3: `sockaddr_storage` is made to be seen as any address type: large and aligned enough.
        let unix = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_un>() };
        unix.sun_family = libc::AF_UNIX as libc::sa_family_t;
        // It fits: std keeps names in the same structure.
        for (to, from) in unix.sun_path[begin..].iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let length = offset_of!(libc::sockaddr_un, sun_path) + begin + bytes.len() + end;
        // std may have got a path from the system that leaves no room for the zero, which it does without.
        raw.length = length.min(mem::size_of::<libc::sockaddr_un>()) as libc::socklen_t;
        raw
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.to_ip(), self.to_unix()) {
            (Ok(ip), _) => ip.fmt(f),
            (_, Ok(name)) => name.fmt(f),
            _ => f.write_str("an address of another family"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux takes a path of 108 bytes without a zero, and says that it is one byte longer than the structure. Any peer
    /// may have one: its datagram, or connection, would be lost with the error.
    #[test]
    fn a_path_that_std_cannot_say_is_no_error() {
        let mut raw = Address::empty();
        // SAFETY: S3: `sockaddr_storage` is made to be seen as any address type: large and aligned enough.
        let unix = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_un>() };
        unix.sun_family = libc::AF_UNIX as libc::sa_family_t;
        unix.sun_path.fill(b'a' as libc::c_char);
        raw.length = mem::size_of::<libc::sockaddr_un>() as libc::socklen_t + 1;
        assert!(raw.to_unix().unwrap().is_unnamed());
    }
}
