//! Reading a body, never more of it than was agreed. The cap counts decoded bytes, and a body that unpacks to far more
//! than it weighs is refused early: memory and time of a bomb are ours, so they are bounded before they are spent.

use std::io::{self, Write};

use ::http::HeaderMap;
use ::http::header::CONTENT_ENCODING;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::exchange::{Driver, failure};
use crate::model::Reason;
use crate::probes::failure::Failure;

/// gzip reaches about 1000:1 on zeros; text and JSON stay below 30:1.
const RATIO_MAX: usize = 200;

/// Small bodies may be as repetitive as they like.
const RATIO_FREE_BYTES: usize = 64 << 10;

/// How the body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
}

impl Coding {
    /// One layer, and only what we asked for.
    pub fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut codings = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .map(|coding| coding.trim_ascii().to_ascii_lowercase())
            .filter(|coding| !coding.is_empty() && coding != b"identity");
        match (codings.next(), codings.next()) {
            (None, _) => Ok(Coding::Plain),
            (Some(one), None) if one == b"gzip" || one == b"x-gzip" => Ok(Coding::Gzip),
            (Some(one), None) => {
                let one = String::from_utf8_lossy(&one);
                let message = format!("the body is packed with {one}, which cannot be read here");
                Err(Failure::new(Reason::Protocol, message))
            }
            (Some(_), Some(_)) => Err(Failure::new(
                Reason::BodyTooLarge,
                "the body is packed more than once",
            )),
        }
    }
}

/// All of the body, unpacked, if that is at most `cap` bytes.
pub(super) async fn keep(
    mut body: Incoming,
    coding: Coding,
    cap: usize,
    driver: &mut Driver,
) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Unpacked::new(coding, cap);
    while let Some(data) = next_data(&mut body, driver).await? {
        unpacked.add(&data)?;
    }
    unpacked.finish()
}

/// Reads and forgets up to `cap` bytes as they come, packed or not.
pub(super) async fn skip(
    mut body: Incoming,
    cap: usize,
    driver: &mut Driver,
) -> Result<(), Failure> {
    let mut bytes = 0;
    while let Some(data) = next_data(&mut body, driver).await? {
        bytes += data.len();
        if bytes > cap {
            break;
        }
    }
    Ok(())
}

async fn next_data(body: &mut Incoming, driver: &mut Driver) -> Result<Option<Bytes>, Failure> {
    loop {
        match driver.drive(body.frame()).await {
            None => return Ok(None),
            Some(Err(error)) => return Err(failure("the vendor", &error)),
            // Trailers are not looked at.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A body as far as it came.
enum Unpacked {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl Unpacked {
    fn new(coding: Coding, cap: usize) -> Self {
        let capped = Capped {
            kept: Vec::new(),
            cap,
            packed: None,
            exceeded: None,
        };
        match coding {
            Coding::Plain => Unpacked::Plain(capped),
            Coding::Gzip => Unpacked::Gzip(Box::new(MultiGzDecoder::new(Capped {
                packed: Some(0),
                ..capped
            }))),
        }
    }

    fn add(&mut self, data: &[u8]) -> Result<(), Failure> {
        let (written, capped) = match self {
            Unpacked::Plain(capped) => (capped.write_all(data), capped),
            Unpacked::Gzip(decoder) => {
                let packed = &mut decoder.get_mut().packed;
                *packed = packed.map(|bytes| bytes.saturating_add(data.len()));
                (decoder.write_all(data), decoder.get_mut())
            }
        };
        written.map_err(|error| capped.failure(&error))
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Unpacked::Plain(capped) => Ok(capped.kept),
            // Nothing at all is not a damaged packing: HEAD and 204 come with the header and without a body.
            Unpacked::Gzip(decoder) if decoder.get_ref().packed == Some(0) => Ok(Vec::new()),
            Unpacked::Gzip(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    return Err(decoder.get_ref().failure(&error));
                }
                Ok(std::mem::take(&mut decoder.get_mut().kept))
            }
        }
    }
}

/// Refuses more than `cap` bytes, and for a packed body more than its weight allows.
struct Capped {
    kept: Vec<u8>,
    cap: usize,
    /// How many packed bytes the kept ones came from.
    packed: Option<usize>,
    exceeded: Option<&'static str>,
}

impl Capped {
    fn refuse(&mut self, why: &'static str) -> io::Error {
        self.exceeded = Some(why);
        io::Error::other(why)
    }

    fn failure(&self, error: &io::Error) -> Failure {
        match self.exceeded {
            Some(why) => Failure::new(
                Reason::BodyTooLarge,
                format!("the body {why} ({} bytes)", self.cap),
            ),
            None => Failure::new(
                Reason::Protocol,
                format!("the gzip body is damaged: {error}"),
            ),
        }
    }
}

impl Write for Capped {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let total = self.kept.len().saturating_add(data.len());
        if total > self.cap {
            return Err(self.refuse("is over the cap"));
        }
        if let Some(packed) = self.packed
            && total > RATIO_FREE_BYTES
            && total > packed.saturating_mul(RATIO_MAX)
        {
            return Err(self.refuse("unpacks to more than 200 times its weight"));
        }
        self.kept.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    pub fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(coding: Coding, cap: usize, data: &[u8]) -> Result<Vec<u8>, Reason> {
        let mut unpacked = Unpacked::new(coding, cap);
        for part in data.chunks(1000) {
            unpacked.add(part).map_err(|failure| failure.reason)?;
        }
        unpacked.finish().map_err(|failure| failure.reason)
    }

    #[test]
    fn f20_the_cap_counts_to_the_byte() {
        let data = vec![7; 5000];
        assert_eq!(unpack(Coding::Plain, 5000, &data).unwrap().len(), 5000);
        assert_eq!(
            unpack(Coding::Plain, 4999, &data),
            Err(Reason::BodyTooLarge)
        );
        assert_eq!(unpack(Coding::Gzip, 5000, &gzip(&data)), Ok(data.clone()));
        assert_eq!(
            unpack(Coding::Gzip, 4999, &gzip(&data)),
            Err(Reason::BodyTooLarge)
        );
    }

    #[test]
    fn f21_a_ratio_over_200_is_refused_after_64_kib() {
        let cap = 64 << 20;
        assert!(unpack(Coding::Gzip, cap, &gzip(&vec![0; 60 << 10])).is_ok());
        assert_eq!(
            unpack(Coding::Gzip, cap, &gzip(&vec![0; 8 << 20])),
            Err(Reason::BodyTooLarge)
        );
    }

    #[test]
    fn damaged_packing_is_the_vendors_fault() {
        let packed = gzip(b"hello, hello, hello");
        let mut wrong = packed.clone();
        let last = wrong.len() - 5;
        wrong[last] ^= 0xff;
        for data in [&packed[..packed.len() - 3], &wrong, b"plain text", b"\x1f"] {
            assert_eq!(
                unpack(Coding::Gzip, 1000, data),
                Err(Reason::Protocol),
                "{data:?}"
            );
        }
        assert_eq!(unpack(Coding::Gzip, 1000, b""), Ok(Vec::new()));
    }

    #[test]
    fn one_layer_of_what_we_asked_for() {
        for (value, want) in [
            ("", Ok(Coding::Plain)),
            ("identity", Ok(Coding::Plain)),
            ("gzip", Ok(Coding::Gzip)),
            ("X-GZIP , identity", Ok(Coding::Gzip)),
            ("br", Err(Reason::Protocol)),
            ("gzip, gzip", Err(Reason::BodyTooLarge)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, value.parse().unwrap());
            assert_eq!(Coding::of(&headers).map_err(|f| f.reason), want, "{value}");
        }
    }
}
