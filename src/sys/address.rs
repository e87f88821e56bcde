//! Socket addresses as the kernel writes them, and back.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address in the kernel's form, with its length.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    pub(super) length: libc::socklen_t,
}

impl RawAddress {
    /// Room for an address that the kernel is about to write.
    pub(super) fn empty() -> RawAddress {
        // SAFETY: S3: `sockaddr_storage` is plain integers, for which all zeroes is a value.
        let storage = unsafe { MaybeUninit::zeroed().assume_init() };
        RawAddress { storage, length: mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    pub(super) fn of(address: SocketAddr) -> RawAddress {
        let mut raw = RawAddress::empty();
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

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// Where the kernel is to write, and where it finds the room and leaves the length.
    pub(super) fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.length)
    }

    pub(super) fn to_std(&self) -> io::Result<SocketAddr> {
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
}
