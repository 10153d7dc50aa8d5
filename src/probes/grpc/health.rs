//! The two messages of `grpc.health.v1.Health/Check`, and the statuses of gRPC. Pure.
//!
//! <https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::borrow::Cow;

use percent_encoding::percent_decode;

pub(super) const PATH: &str = "/grpc.health.v1.Health/Check";

/// A flag that says whether it is compressed, and the length.
const PREFIX_BYTES: usize = 5;

/// The status of the call that nothing was wrong with.
pub(super) const OK: u64 = 0;
pub(super) const UNIMPLEMENTED: u64 = 12;

/// By their numbers (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
const CALL_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

const SERVING_STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// `HealthCheckRequest { service = 1 }` in its frame.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// What the one message in `body` says; or what is wrong with it.
pub(super) fn serving(body: &[u8]) -> Result<Cow<'static, str>, &'static str> {
    let (prefix, message) = body.split_first_chunk::<PREFIX_BYTES>().ok_or("no message")?;
    let [flag, length @ ..] = prefix;
    if *flag != 0 {
        return Err("a compressed message that was not asked for");
    }
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err("a message of another length than it says");
    }
    let number = status(message).ok_or("a message that is not HealthCheckResponse")?;
    Ok(usize::try_from(number).ok().and_then(|n| SERVING_STATUSES.get(n)).map_or_else(|| number.to_string().into(), |word| (*word).into()))
}

/// `HealthCheckResponse { status = 1 }`; left out it is 0. Other fields are passed over, the last of several counts.
fn status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let (tag, rest) = varint(message)?;
        message = match tag & 7 {
            0 => {
                let (value, rest) = varint(rest)?;
                if tag >> 3 == 1 {
                    status = value;
                }
                rest
            }
            1 => rest.get(8..)?,
            2 => {
                let (length, rest) = varint(rest)?;
                rest.get(usize::try_from(length).ok()?..)?
            }
            5 => rest.get(4..)?,
            _ => return None,
        };
    }
    Some(status)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

pub(super) fn call_status(code: u64) -> Cow<'static, str> {
    let known = usize::try_from(code).ok().and_then(|code| CALL_STATUSES.get(code));
    known.map_or_else(|| code.to_string().into(), |word| (*word).into())
}

/// `grpc-message` as it travels.
pub(super) fn decoded(message: &[u8]) -> String {
    percent_decode(message).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        assert_eq!(request(""), b"\0\0\0\0\0");
        assert_eq!(request("a.B"), b"\0\0\0\0\x05\x0a\x03a.B");
        assert_eq!(request(&"x".repeat(200))[..8], *b"\0\0\0\0\xcb\x0a\xc8\x01");
    }

    #[test]
    fn answers() {
        let framed = |message: &[u8]| [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
        for (message, want) in [
            (&b"\x08\x01"[..], Some("SERVING")),
            (b"\x08\x02", Some("NOT_SERVING")),
            (b"\x08\x03", Some("SERVICE_UNKNOWN")),
            (b"", Some("UNKNOWN")),
            (b"\x08\x07", Some("7")),
            (b"\x12\x02hi\x08\x01\x1d1234\x219___8765", Some("SERVING")),
            (b"\x08\x02\x08\x01", Some("SERVING")),
            (b"\x08", None),
            (b"\x0b", None),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"<html>", None),
        ] {
            assert_eq!(serving(&framed(message)).ok().as_deref(), want, "{message:?}");
        }
        for body in [&b""[..], b"\0\0\0", b"\x01\0\0\0\x02\x08\x01", b"\0\0\0\0\x03\x08\x01", b"\0\xff\xff\xff\xff\x08\x01"] {
            assert!(serving(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn statuses() {
        assert_eq!(call_status(OK), "OK");
        assert_eq!(call_status(UNIMPLEMENTED), "UNIMPLEMENTED");
        assert_eq!(call_status(16), "UNAUTHENTICATED");
        assert_eq!(call_status(99), "99");
        assert_eq!(decoded(b"no%20such%20\xc3\xa4%zz"), "no such ä%zz");
    }
}
