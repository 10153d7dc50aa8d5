//! The one question in LDAP that begins TLS, and its answer. Pure.

/// `ExtendedRequest` with message id 1 and the name 1.3.6.1.4.1.1466.20037 (RFC 4511 4.12 and 4.14.1, in BER).
pub(super) const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const EXTENDED_RESPONSE: u8 = 0x78;

/// How a server answered.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// 0 is success (RFC 4511 4.1.9).
    pub code: u8,
    pub diagnostic: String,
}

/// How many bytes a message has after those that say so, of which these are the first two. `Err`: the length follows in so many bytes.
pub(super) fn length(head: [u8; 2]) -> Option<Result<usize, usize>> {
    match head {
        [SEQUENCE, short] if short < 0x80 => Some(Ok(usize::from(short))),
        [SEQUENCE, long @ 0x81..=0x84] => Some(Err(usize::from(long & 0x7f))),
        _ => None,
    }
}

/// What is inside a message. `None`: it is not an answer to our question.
pub(super) fn answer(message: &[u8]) -> Option<Answer> {
    let (_, rest) = value(message, INTEGER)?;
    let (response, _) = value(rest, EXTENDED_RESPONSE)?;
    let (code, rest) = value(response, ENUMERATED)?;
    let (_matched, rest) = value(rest, OCTETS)?;
    let (diagnostic, _) = value(rest, OCTETS)?;
    let [code] = code else { return None };
    Some(Answer { code: *code, diagnostic: String::from_utf8_lossy(diagnostic).into_owned() })
}

/// The content of a value with this tag, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        short if short < 0x80 => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let of = |code, diagnostic: &str| Some(Answer { code, diagnostic: diagnostic.into() });
        for (message, want) in [
            (&b"\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"[..], of(0, "")),
            (b"\x02\x01\x01\x78\x0b\x0a\x01\x02\x04\x00\x04\x04nope", of(2, "nope")),
            (b"\x02\x01\x01\x78\x81\x0b\x0a\x01\x02\x04\x00\x04\x04nope", of(2, "nope")),
            (b"\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", None),
            (b"\x02\x01\x01\x78\x84\xff\xff\xff\xff\x0a", None),
            (b"\x02\x01\x01\x78\x07\x0a\x02\x00\x00", None),
            (b"\x02", None),
            (b"", None),
        ] {
            assert_eq!(answer(message), want, "{message:?}");
        }
        assert_eq!(START_TLS.len(), 2 + 0x1d);
        assert_eq!(length([0x30, 12]), Some(Ok(12)));
        assert_eq!(length([0x30, 0x82]), Some(Err(2)));
        assert_eq!(length([0x30, 0x80]), None, "of no length");
        assert_eq!(length([b'H', b'T']), None);
    }
}
