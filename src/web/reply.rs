//! Answers: their kind, whether they are packed, and whether they may be kept.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What is shorter is sent as it is.
const PACKED_FROM: usize = 1000;

/// Text of a kind; packed where that is worth it and accepted.
pub fn text(status: StatusCode, kind: &'static str, text: String, packed: bool) -> Response {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind).header(header::VARY, "Accept-Encoding, Cookie");
    let response = if packed && text.len() >= PACKED_FROM {
        response.header(header::CONTENT_ENCODING, "gzip").body(Body::from(gzip(text.as_bytes())))
    } else {
        response.body(Body::from(text))
    };
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Nobody keeps it: what it says is true now.
pub fn unkept(mut response: Response, how: &'static str) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

/// Whether a list names `word`, and not with a weight of zero, which refuses it (RFC 9110 12.4.2).
pub fn accepts(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    let zero = |parameter: &str| parameter.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0));
    let accepted = |item: &str| {
        let mut parts = item.split(';');
        parts.next().is_some_and(|named| named.trim().eq_ignore_ascii_case(word)) && !parts.any(zero)
    };
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| list.split(',').any(accepted))
}

/// As small as is worth the time: a page of 200 vendors packs in 5 ms, and to two thirds of what the fastest way makes of it.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    packed([text], text.len(), flate2::Compression::new(4))
}

/// As quick as possible: for what is scraped from the same machine every few seconds.
pub fn gzip_quickly(pieces: impl Iterator<Item = String>) -> Vec<u8> {
    packed(pieces, 0, flate2::Compression::fast())
}

fn packed(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>, length: usize, level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(length / 8), level);
    for piece in pieces {
        // Writing to memory cannot fail.
        let _ = encoder.write_all(piece.as_ref());
    }
    encoder.finish().unwrap_or_default()
}
