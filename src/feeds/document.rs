//! One document as it came: decoded into text, and roughly what it is.

use std::borrow::Cow;

use url::Url;

use super::{Mapping, text};

/// What a body looks like from its first bytes, whatever its `Content-Type` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Empty,
    Json,
    Xml,
    Html { title: Option<String> },
    Other,
}

pub struct Document<'d> {
    /// Where it came from; `None` for a file.
    pub url: Option<&'d Url>,
    pub text: Cow<'d, str>,
    /// Where things are, if that is configured.
    pub mapping: Option<&'d Mapping>,
}

/// More of a text is not kept, so that it is one that was cut off: a body of 10 MiB that is no text at all becomes three
/// times as long in the decoder.
const TEXT_BYTES_MAX: usize = 12 << 20;
/// Characters of a page's title that are shown.
const TITLE_CHARS: usize = 80;

impl<'d> Document<'d> {
    /// Decodes `body`: by its byte-order mark, else by the `charset` of `content_type` or of the XML declaration, else as
    /// UTF-8. Bytes that are none become U+FFFD.
    pub fn new(url: Option<&'d Url>, content_type: Option<&str>, body: &'d [u8]) -> Document<'d> {
        let declared = content_type.and_then(charset_of).or_else(|| xml_encoding(body));
        let encoding = declared.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())).unwrap_or(encoding_rs::UTF_8);
        let (mut text, _, _) = encoding.decode(body);
        if text.len() > TEXT_BYTES_MAX {
            text = text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned().into();
        }
        Document { url, text, mapping: None }
    }

    /// To be read as the configuration says.
    pub fn mapped(self, mapping: Option<&'d Mapping>) -> Document<'d> {
        Document { mapping, ..self }
    }

    pub fn kind(&self) -> Kind {
        let text = self.text.trim_start();
        let head = || text.chars().take(64).collect::<String>().to_ascii_lowercase();
        match text.bytes().next() {
            None => Kind::Empty,
            Some(b'{' | b'[') => Kind::Json,
            Some(b'<') if head().starts_with("<!doctype html") || head().starts_with("<html") => Kind::Html { title: self.title() },
            Some(b'<') => Kind::Xml,
            Some(_) => Kind::Other,
        }
    }

    /// The title of a web page: what a person would recognise it by.
    fn title(&self) -> Option<String> {
        const SEARCHED_BYTES: usize = 16 << 10;
        let head: String = self.text.chars().take(SEARCHED_BYTES).collect();
        let lower = head.to_ascii_lowercase();
        let start = lower.find("<title")?;
        let start = start + lower[start..].find('>')? + 1;
        let end = start + lower[start..].find("</title")?;
        let title = text::line(&text::plain(&head[start..end]), TITLE_CHARS).text;
        (!title.is_empty()).then_some(title)
    }
}

fn charset_of(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// `<?xml version="1.0" encoding="ISO-8859-1"?>`
fn xml_encoding(body: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let declaration = head.trim_start().strip_prefix("<?xml")?.split_once("?>")?.0.to_owned();
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(value[1..].split(quote).next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_apart_by_what_they_begin_with() {
        for (body, want) in [
            (&b""[..], Kind::Empty),
            (b"  \r\n ", Kind::Empty),
            (b"{}", Kind::Json),
            (b"\xef\xbb\xbf [1]", Kind::Json),
            (b"\n<?xml version='1.0'?><feed/>", Kind::Xml),
            (b"<rss/>", Kind::Xml),
            (b"<!DOCTYPE html><title>One &amp; two</title>", Kind::Html { title: Some("One & two".into()) }),
            (b"<HTML><body>x", Kind::Html { title: None }),
            (b"null", Kind::Other),
        ] {
            assert_eq!(Document::new(None, None, body).kind(), want, "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn encodings() {
        let utf16: Vec<u8> = [0xfe, 0xff].into_iter().chain("[é]".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for (content_type, body, want) in [
            (None, utf16.as_slice(), "[é]"),
            (Some("text/xml; charset=\"ISO-8859-1\""), b"<a>\xe9</a>", "<a>é</a>"),
            (None, b"<?xml version='1.0' encoding='latin1'?><a>\xe9</a>", "<?xml version='1.0' encoding='latin1'?><a>é</a>"),
            (Some("application/json; charset=nonsense"), "[\"é\"]".as_bytes(), "[\"é\"]"),
            (None, b"[\"\xff\"]", "[\"\u{fffd}\"]"),
        ] {
            assert_eq!(Document::new(None, content_type, body).text, want);
        }
    }
}
