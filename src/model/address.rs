//! Which addresses a name may lead to. What the configuration names literally was meant; what a name or a redirect
//! leads to was not, so private and special ranges are refused there (IANA special-purpose registries, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why `ip` is not an address of the public internet; `None` if it is.
/// IPv4 addresses inside IPv6 forms (mapped, 6to4, NAT64, Teredo) are judged as what they lead to.
pub fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    if ip.is_loopback() {
        Some("loopback")
    } else if ip.is_private() {
        Some("private")
    } else if ip.is_link_local() {
        Some("link-local")
    } else if a == 100 && (64..128).contains(&b) {
        Some("carrier-grade NAT")
    } else if ip.is_multicast() {
        Some("multicast")
    } else if ip.is_broadcast() {
        Some("broadcast")
    } else if a == 0 {
        Some("unspecified")
    } else if ip.is_documentation() || (a == 198 && (b == 18 || b == 19)) || (a, b, c) == (192, 0, 0) || a >= 240 {
        Some("reserved")
    } else {
        None
    }
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let s = ip.segments();
    let v4 = |hi: u16, lo: u16| special_v4(Ipv4Addr::from((u32::from(hi) << 16) | u32::from(lo)));
    if ip.is_unspecified() {
        Some("unspecified")
    } else if ip.is_loopback() {
        Some("loopback")
    } else if ip.is_multicast() {
        Some("multicast")
    } else if s[0] & 0xfe00 == 0xfc00 {
        Some("private")
    } else if s[0] & 0xffc0 == 0xfe80 {
        Some("link-local")
    } else if s[0] & 0xffc0 == 0xfec0 {
        Some("site-local")
    } else if s[..5] == [0; 5] && (s[5] == 0xffff || s[5] == 0) {
        v4(s[6], s[7])
    } else if s[0] == 0x2002 {
        v4(s[1], s[2])
    } else if s[..2] == [0x64, 0xff9b] {
        if s[2] == 1 { Some("private") } else { v4(s[6], s[7]) }
    } else if s[..2] == [0x2001, 0] {
        v4(!s[6], !s[7])
    } else if s[..2] == [0x2001, 0xdb8] || (s[0] == 0x100 && s[1..4] == [0; 3]) {
        Some("reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (ip, want) in [
            ("8.8.8.8", None),
            ("127.0.0.1", Some("loopback")),
            ("10.1.2.3", Some("private")),
            ("172.31.0.1", Some("private")),
            ("172.32.0.1", None),
            ("169.254.169.254", Some("link-local")),
            ("100.64.0.1", Some("carrier-grade NAT")),
            ("100.128.0.1", None),
            ("0.1.2.3", Some("unspecified")),
            ("255.255.255.255", Some("broadcast")),
            ("2606:4700::1", None),
            ("::1", Some("loopback")),
            ("::ffff:10.0.0.1", Some("private")),
            ("::ffff:8.8.8.8", None),
            ("::7f00:1", Some("loopback")),
            ("2002:7f00:1::", Some("loopback")),
            ("64:ff9b::a00:1", Some("private")),
            ("64:ff9b:1::1", Some("private")),
            ("2001:0:1:2:3:4:80ff:fffe", Some("loopback")),
            ("fe80::1", Some("link-local")),
            ("fd00::1", Some("private")),
            ("ff02::1", Some("multicast")),
        ] {
            assert_eq!(special(ip.parse().unwrap()), want, "{ip}");
        }
    }
}
