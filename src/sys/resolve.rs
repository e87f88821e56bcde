//! Names of machines, looked up by the system's resolver: `getaddrinfo`, which blocks for as long as it likes.

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ptr;

use super::address::Address;

/// Each once, none if there are only addresses of other kinds. In the system's order: that of RFC 6724, the ones that
/// are likelier to be reached first.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = CString::new(host)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is not a name: a zero is in it")))?;
    // SAFETY: S3: integers and pointers, for which zeroes (null) are values.
    let mut hints: libc::addrinfo = unsafe { mem::zeroed() };
    hints.ai_family = libc::AF_UNSPEC;
    // Without it, each address would come once for each kind of socket.
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = Found(ptr::null_mut());
    // SAFETY: S1: name, hints and the place for the list live to the end of the call.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &hints, &mut list.0) };
    if code != 0 {
        return Err(failure(host, code));
    }
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for mut address in list.addresses() {
        address.set_port(port);
        // The same line twice in a hosts file.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The list that `getaddrinfo` made, or none.
struct Found(*mut libc::addrinfo);

impl Found {
    fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let mut next = self.0;
        std::iter::from_fn(move || {
            // SAFETY: S5: an entry of the list that `self` has not freed yet, or null at its end.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ai_next;
            Some(address(entry))
        })
        .flatten()
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: S5: freed once, here.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

/// `None` for a family that we do not know.
fn address(entry: &libc::addrinfo) -> Option<SocketAddr> {
    let mut raw = Address::empty();
    let (storage, length) = raw.as_mut_ptrs();
    // SAFETY: S1: into `raw`.
    let room = unsafe { length.read() };
    if entry.ai_addr.is_null() || entry.ai_addrlen > room {
        return None;
    }
    // SAFETY: S5: the entry has so many bytes there; there is room for them, as was just seen.
    unsafe { ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), storage.cast::<u8>(), entry.ai_addrlen as usize) };
    raw.to_ip().ok()
}

/// What the resolver says in words, and a kind where there is one that fits.
fn failure(host: &str, code: libc::c_int) -> io::Error {
    if code == libc::EAI_SYSTEM {
        let error = io::Error::last_os_error();
        return io::Error::new(error.kind(), format!("cannot look up '{host}': {error}"));
    }
    // SAFETY: no pointers go in.
    let words = unsafe { libc::gai_strerror(code) };
    // SAFETY: S5: a text that ends with a zero, and that nobody changes before this thread asks for another.
    let words = unsafe { CStr::from_ptr(words) }.to_string_lossy();
    let kind = match code {
        libc::EAI_MEMORY => io::ErrorKind::OutOfMemory,
        libc::EAI_NONAME => io::ErrorKind::NotFound,
        code if super::os::NO_ADDRESS.contains(&code) => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("cannot look up '{host}': {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_found_without_asking_the_network() {
        let addresses = resolve("localhost", 80).unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{addresses:?}");
        assert_eq!(resolve("127.0.0.1", 7).unwrap(), ["127.0.0.1:7".parse().unwrap()]);
    }

    #[test]
    fn what_is_no_name_is_said_in_words() {
        let error = resolve("a\0b", 80).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = failure("nowhere", libc::EAI_NONAME);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot look up 'nowhere': "), "{error}");
        // An address of a form that no resolver takes for a name, nor asks anybody about.
        assert!(resolve("", 80).is_err());
    }
}
