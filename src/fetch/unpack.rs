//! Unpacking a body, never to more than was agreed. The cap counts decoded bytes, and a body that unpacks to far more than
//! it weighs is refused early: memory and time of a bomb are ours, so they are bounded before they are spent.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Why a body is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Over the cap, a bomb, or packed more than once.
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Damaged(String),
}

/// gzip reaches about 1000:1 on zeros; text and JSON stay below 30:1.
const RATIO_MAX: usize = 200;

/// Small bodies may be as repetitive as they like.
const RATIO_FREE_BYTES: usize = 64 << 10;

/// How the body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Plain,
    Gzip,
}

impl Coding {
    /// One layer, and only what we asked for.
    pub fn of(headers: &HeaderMap) -> Result<Self, Unusable> {
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
                Err(Unusable::Damaged(format!("the body is packed with {one}, which cannot be read here")))
            }
            (Some(_), Some(_)) => Err(Unusable::TooLarge("the body is packed more than once".to_owned())),
        }
    }
}

/// A body as far as it came.
pub enum Unpacked {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl Unpacked {
    pub fn new(coding: Coding, cap: usize) -> Self {
        let capped = Capped { kept: Vec::new(), cap, packed: None, exceeded: None };
        match coding {
            Coding::Plain => Unpacked::Plain(capped),
            Coding::Gzip => Unpacked::Gzip(Box::new(MultiGzDecoder::new(Capped { packed: Some(0), ..capped }))),
        }
    }

    pub fn add(&mut self, data: &[u8]) -> Result<(), Unusable> {
        let (written, capped) = match self {
            Unpacked::Plain(capped) => (capped.write_all(data), capped),
            Unpacked::Gzip(decoder) => {
                let packed = &mut decoder.get_mut().packed;
                *packed = packed.map(|bytes| bytes.saturating_add(data.len()));
                (decoder.write_all(data), decoder.get_mut())
            }
        };
        written.map_err(|error| capped.unusable(&error))
    }

    pub fn finish(self) -> Result<Vec<u8>, Unusable> {
        match self {
            Unpacked::Plain(capped) => Ok(capped.kept),
            // Nothing at all is not a damaged packing: HEAD and 204 come with the header and without a body.
            Unpacked::Gzip(decoder) if decoder.get_ref().packed == Some(0) => Ok(Vec::new()),
            Unpacked::Gzip(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    return Err(decoder.get_ref().unusable(&error));
                }
                Ok(std::mem::take(&mut decoder.get_mut().kept))
            }
        }
    }
}

/// What the first bytes of a body say, as far as they say it: at most `bytes_max`, and no reason to refuse anything.
pub fn start(coding: Coding, packed: &[u8], bytes_max: usize) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    match coding {
        Coding::Plain => out.extend_from_slice(&packed[..packed.len().min(bytes_max)]),
        // It is cut, so it ends with an error; what came before that is good.
        Coding::Gzip => drop(flate2::read::MultiGzDecoder::new(packed).take(bytes_max as u64).read_to_end(&mut out)),
    }
    out
}

/// Refuses more than `cap` bytes, and for a packed body more than its weight allows.
pub struct Capped {
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

    fn unusable(&self, error: &io::Error) -> Unusable {
        match self.exceeded {
            Some(why) => Unusable::TooLarge(format!("the body {why} ({} bytes)", self.cap)),
            None => Unusable::Damaged(format!("the gzip body is damaged: {error}")),
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
pub(crate) mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    pub fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn kind(unusable: Unusable) -> &'static str {
        match unusable {
            Unusable::TooLarge(_) => "large",
            Unusable::Damaged(_) => "damaged",
        }
    }

    fn unpack(coding: Coding, cap: usize, data: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut unpacked = Unpacked::new(coding, cap);
        for part in data.chunks(1000) {
            unpacked.add(part).map_err(kind)?;
        }
        unpacked.finish().map_err(kind)
    }

    #[test]
    fn f20_the_cap_counts_to_the_byte() {
        let data = vec![7; 5000];
        assert_eq!(unpack(Coding::Plain, 5000, &data).unwrap().len(), 5000);
        assert_eq!(unpack(Coding::Plain, 4999, &data), Err("large"));
        assert_eq!(unpack(Coding::Gzip, 5000, &gzip(&data)), Ok(data.clone()));
        assert_eq!(unpack(Coding::Gzip, 4999, &gzip(&data)), Err("large"));
    }

    #[test]
    fn f21_a_ratio_over_200_is_refused_after_64_kib() {
        let cap = 64 << 20;
        assert!(unpack(Coding::Gzip, cap, &gzip(&vec![0; 60 << 10])).is_ok());
        assert_eq!(unpack(Coding::Gzip, cap, &gzip(&vec![0; 8 << 20])), Err("large"));
    }

    #[test]
    fn damaged_packing_is_the_vendors_fault() {
        let packed = gzip(b"hello, hello, hello");
        let mut wrong = packed.clone();
        let last = wrong.len() - 5;
        wrong[last] ^= 0xff;
        for data in [&packed[..packed.len() - 3], &wrong, b"plain text", b"\x1f"] {
            assert_eq!(unpack(Coding::Gzip, 1000, data), Err("damaged"), "{data:?}");
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
            ("br", Err("damaged")),
            ("gzip, gzip", Err("large")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, value.parse().unwrap());
            assert_eq!(Coding::of(&headers).map_err(kind), want, "{value}");
        }
    }
}
