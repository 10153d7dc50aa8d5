//! The socket of one run: unprivileged where the system allows it (`net.ipv4.ping_group_range`, Linux `icmp(7)`), else raw.
//! It is connected, so that only the asked address is heard.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ip_mtu_discover, set_ipv6_mtu_discover};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send, socket_with};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::model::Reason;
use crate::probes::dial::connect_failure;
use crate::probes::failure::Failure;

/// The largest packet, headers and all (RFC 791 3.1).
const PACKET_BYTES_MAX: usize = 65_535;

pub(super) struct Socket {
    /// The type for datagrams: tokio has none for ICMP, and only the descriptor is used.
    socket: UdpSocket,
    address: SocketAddr,
    /// What is read begins with an IP header.
    pub whole: bool,
    room: usize,
}

impl Socket {
    /// `message_bytes`: how long an answer may be.
    pub fn open(ip: IpAddr, df: bool, message_bytes: usize) -> Result<Self, Failure> {
        let address = SocketAddr::new(ip, 0);
        let (fd, raw) = made(ip).map_err(|error| denied(address, error))?;
        let prepared = fragments(&fd, ip, df).and_then(|()| connect(&fd, &address));
        prepared.map_err(|error| failure(address, &error.into(), message_bytes))?;
        let socket = UdpSocket::from_std(fd.into()).map_err(|error| connect_failure(address, &error))?;
        const IP_HEADER_BYTES_MAX: usize = 60;
        let room = (message_bytes + IP_HEADER_BYTES_MAX).min(PACKET_BYTES_MAX);
        Ok(Socket { socket, address, whole: raw && ip.is_ipv4(), room })
    }

    pub async fn send(&self, message: &[u8]) -> Result<(), Failure> {
        let sent = self.socket.async_io(Interest::WRITABLE, || Ok(send(&self.socket, message, SendFlags::empty())?)).await;
        sent.map(drop).map_err(|error| failure(self.address, &error, message.len()))
    }

    /// The next packet; what is longer than any answer of ours is cut, and then is none.
    pub async fn receive(&self) -> Result<Vec<u8>, Failure> {
        let read = || {
            let mut packet = vec![0; self.room];
            let (_, length) = recv(&self.socket, packet.as_mut_slice(), RecvFlags::empty())?;
            packet.truncate(length);
            Ok(packet)
        };
        self.socket.async_io(Interest::READABLE | Interest::ERROR, read).await.map_err(|error| failure(self.address, &error, 0))
    }
}

/// A socket, and whether it is a raw one.
fn made(ip: IpAddr) -> Result<(OwnedFd, bool), Errno> {
    let (family, protocol) = match ip {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let of = |kind| socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, Some(protocol));
    match of(SocketType::DGRAM) {
        Err(Errno::ACCESS | Errno::PERM | Errno::PROTONOSUPPORT | Errno::PROTOTYPE) => of(SocketType::RAW).map(|fd| (fd, true)),
        made => made.map(|fd| (fd, false)),
    }
}

/// Whether packets may be cut on their way. IPv6 cuts only at its source, and tells when it must.
fn fragments(fd: &OwnedFd, ip: IpAddr, df: bool) -> Result<(), Errno> {
    use rustix::net::sockopt::{Ipv4PathMtuDiscovery as V4, Ipv6PathMtuDiscovery as V6};
    match ip {
        IpAddr::V4(_) => set_ip_mtu_discover(fd, if df { V4::DO } else { V4::DONT }),
        IpAddr::V6(_) => set_ipv6_mtu_discover(fd, if df { V6::DO } else { V6::DONT }),
    }
}

fn denied(address: SocketAddr, error: Errno) -> Failure {
    match error {
        Errno::ACCESS | Errno::PERM => {
            let message = "this process may not send ICMP: allow its group with `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`, or give it CAP_NET_RAW";
            Failure::new(Reason::OwnResource, message)
        }
        error => connect_failure(address, &error.into()),
    }
}

fn failure(address: SocketAddr, error: &io::Error, message_bytes: usize) -> Failure {
    let ip = address.ip();
    match Errno::from_io_error(error) {
        Some(Errno::MSGSIZE) => {
            let message = format!("an echo of {message_bytes} bytes does not get to {ip} in one piece: {error}");
            Failure::new(Reason::ConnectUnreachable, message)
        }
        Some(Errno::CONNREFUSED) => Failure::new(Reason::ConnectRefused, format!("{ip} does not speak ICMP echo")),
        _ => connect_failure(address, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_that_lacks_is_ours_and_says_what_to_do() {
        let address = SocketAddr::new("192.0.2.1".parse().unwrap(), 0);
        for errno in [Errno::ACCESS, Errno::PERM] {
            let failure = denied(address, errno);
            assert_eq!(failure.reason, Reason::OwnResource);
            assert!(failure.message.contains("net.ipv4.ping_group_range"));
        }
        assert_eq!(denied(address, Errno::MFILE).reason, Reason::OwnResource);
    }

    #[test]
    fn errors_of_the_socket_have_their_reasons() {
        let address = SocketAddr::new("192.0.2.1".parse().unwrap(), 0);
        for (errno, reason) in [
            (Errno::HOSTUNREACH, Reason::ConnectUnreachable),
            (Errno::NETUNREACH, Reason::ConnectUnreachable),
            (Errno::MSGSIZE, Reason::ConnectUnreachable),
            (Errno::CONNREFUSED, Reason::ConnectRefused),
            (Errno::NOBUFS, Reason::OwnResource),
            (Errno::PERM, Reason::OwnResource),
        ] {
            assert_eq!(failure(address, &errno.into(), 64).reason, reason, "{errno:?}");
        }
    }
}
