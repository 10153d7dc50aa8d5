//! The style sheet, the script and the icon: part of the program, under names that change with what is in them, so that
//! they may be kept for ever.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::reply::{accepts, gzip};

pub const STYLE: &str = include_str!("assets/vendord.css");
pub const SCRIPT: &str = include_str!("assets/vendord.js");
const ICON: &str = include_str!("assets/vendord.svg");

struct Asset {
    /// `vendord.1a2b3c4d5e6f7a8b.css`
    name: String,
    kind: &'static str,
    text: &'static str,
    packed: Vec<u8>,
}

impl Asset {
    fn new(text: &'static str, ending: &str, kind: &'static str) -> Asset {
        const HASH_BYTES: usize = 8;
        let mut hash = String::new();
        for byte in &Sha256::digest(text)[..HASH_BYTES] {
            let _ = write!(hash, "{byte:02x}");
        }
        Asset { name: format!("vendord.{hash}.{ending}"), kind, text, packed: gzip(text.as_bytes()) }
    }
}

static ALL: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new(STYLE, "css", "text/css; charset=utf-8"),
        Asset::new(SCRIPT, "js", "text/javascript; charset=utf-8"),
        Asset::new(ICON, "svg", "image/svg+xml"),
    ]
});

/// Names below `/assets/`: of the style sheet, the script, the icon.
pub fn names() -> [&'static str; 3] {
    [&ALL[0].name, &ALL[1].name, &ALL[2].name]
}

pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ALL.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.\n").into_response();
    };
    let tag = format!("\"{}\"", asset.name);
    let kept = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ETAG, tag.as_str()),
        (header::VARY, "Accept-Encoding"),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    if accepts(&headers, &header::ACCEPT_ENCODING, "gzip") {
        return (kept, [(header::CONTENT_ENCODING, "gzip")], asset.packed.as_slice()).into_response();
    }
    (kept, asset.text).into_response()
}
