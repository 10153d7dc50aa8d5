//! What one step takes from its answer for the steps after it, and how that is put into them.
//!
//! A captured value is a vendor's text: it never says whom to ask, it is encoded for the place where it stands, and it
//! is as secret as a password.

use ::http::header::{CONTENT_TYPE, HeaderName};
use regex::{Regex, RegexBuilder};
use serde_json_path::JsonPath;

use crate::model::{Fault, Secret, Settings, Value};
use crate::probes::http::Answer;

/// A token, not a document.
const VALUE_BYTES_MAX: usize = 8192;
/// Compiled.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// `$.access_token`, `header.location`, `header.location matches '([0-9]+)$'` or `body matches 'csrf=(\w+)'`.
#[derive(Debug)]
pub(super) struct Capture {
    pub name: String,
    written: String,
    from: From,
    pattern: Option<Regex>,
}

#[derive(Debug)]
enum From {
    Json(JsonPath),
    Header(HeaderName),
    Body,
}

impl Capture {
    pub fn of(name: &str, written: &str) -> Result<Capture, Fault> {
        let fault = |message: String| Fault::new("capture", format!("`{name}` {message}"));
        if !is_name(name) {
            let fault = fault("is not a name that can be written as {{name}}".to_owned());
            return Err(fault.hint("use letters, digits, `_` and `-`"));
        }
        let text = written.trim();
        let (from, pattern) = if text.starts_with('$') {
            let path = JsonPath::parse(text).map_err(|error| fault(format!("is not a JSONPath: {error}")))?;
            (From::Json(path), None)
        } else {
            let (from, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            let pattern = pattern(rest.trim()).map_err(fault)?;
            match from.strip_prefix("header.").map(HeaderName::try_from) {
                Some(Ok(header)) => (From::Header(header), pattern),
                None if from == "body" && pattern.is_some() => (From::Body, pattern),
                _ => {
                    let fault = fault("is not something to capture".to_owned());
                    return Err(
                        fault.hint("write a JSONPath, header.NAME, or one of: header.NAME matches '..(..)..', body matches '..(..)..'")
                    );
                }
            }
        };
        Ok(Capture { name: name.to_owned(), written: text.to_owned(), from, pattern })
    }

    pub fn needs_body(&self) -> bool {
        !matches!(self.from, From::Header(_))
    }

    /// The value, or why there is none. What was seen is not said: it may be next to a secret.
    pub fn take(&self, answer: &Answer) -> Result<Secret, String> {
        let text = match &self.from {
            From::Json(path) => self.selected(path, &answer.body)?,
            From::Header(name) => match answer.headers.get(name) {
                Some(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
                None => return Err(self.said("the answer has no such header")),
            },
            From::Body => String::from_utf8_lossy(&answer.body).into_owned(),
        };
        let value = match &self.pattern {
            None => text.trim(),
            Some(pattern) => {
                let found = pattern.captures(&text).and_then(|found| found.get(1));
                found.ok_or_else(|| self.said("the pattern does not match"))?.as_str()
            }
        };
        match value.len() {
            0 => Err(self.said("it is empty")),
            n if n > VALUE_BYTES_MAX => Err(self.said("it is longer than 8 KiB")),
            _ => Ok(Secret::new(value.to_owned())),
        }
    }

    fn selected(&self, path: &JsonPath, body: &[u8]) -> Result<String, String> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| self.said("the body is not JSON"))?;
        match path.query(&json).all()[..] {
            [serde_json::Value::String(text)] => Ok(text.clone()),
            [value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))] => Ok(value.to_string()),
            [] => Err(self.said("it selects nothing")),
            [_] => Err(self.said("it selects neither a text nor a number")),
            _ => Err(self.said("it selects more than one node")),
        }
    }

    fn said(&self, why: &str) -> String {
        format!("cannot capture {} ({}): {why}", self.name, self.written)
    }
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// `matches '..'`, with one group; nothing is no pattern.
fn pattern(text: &str) -> Result<Option<Regex>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let quoted = text.strip_prefix("matches").map(str::trim).and_then(|quoted| {
        let quote = quoted.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        quoted.strip_prefix(quote)?.strip_suffix(quote)
    });
    let Some(quoted) = quoted else { return Err("has something other than matches '..' behind it".to_owned()) };
    let regex = RegexBuilder::new(quoted).size_limit(REGEX_BYTES_MAX).build();
    let regex = regex.map_err(|_| "is not a regular expression".to_owned())?;
    match regex.captures_len() {
        2 => Ok(Some(regex)),
        n => Err(format!("has {} groups; what is between ( and ) is captured, and there must be one", n - 1)),
    }
}

/// A piece of a text with `{{name}}` in it.
enum Piece<'t> {
    Text(&'t str),
    /// Where it stands, from the first brace on.
    Name(&'t str, usize),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|n| at + n) {
        let Some(end) = text[open..].find("}}").map(|n| open + n) else { break };
        pieces.push(Piece::Text(&text[at..open]));
        pieces.push(Piece::Name(text[open + 2..end].trim(), open));
        at = end + 2;
    }
    pieces.push(Piece::Text(&text[at..]));
    pieces
}

/// Values by name, the latest last.
pub(super) type Values = [(String, Secret)];

/// How a value is written where it stands.
#[derive(Clone, Copy)]
enum Place {
    /// One segment of a path, or one value of a query (RFC 3986 2.3).
    Url,
    Json,
    Plain,
}

fn fill(text: &str, place: Place, values: &Values) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Name(name, _) => {
                let known = values.iter().rev().find(|(known, _)| known == name);
                let value = known.ok_or_else(|| name.to_owned())?.1.expose();
                match place {
                    Place::Plain => out.push_str(value),
                    Place::Url => out.extend(value.bytes().map(encoded)),
                    Place::Json => {
                        let quoted = serde_json::Value::from(value).to_string();
                        out.push_str(&quoted[1..quoted.len() - 1]);
                    }
                }
            }
        }
    }
    Ok(out)
}

fn encoded(byte: u8) -> String {
    let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if unreserved { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// The settings of a step with all names replaced; the name that has no value where one has none.
pub(super) fn filled(settings: &Settings, values: &Values) -> Result<Settings, String> {
    let mut filled = settings.clone();
    if let Some(url) = settings.text("url") {
        filled.0.insert("url", Value::Text(fill(url, Place::Url, values)?));
    }
    if let Some(body) = settings.text("body") {
        filled.0.insert("body", Value::Text(fill(body, body_place(settings, body), values)?));
    }
    if let Some(headers) = settings.secret_map("headers") {
        let fill = |(name, value): (&String, &Secret)| Ok((name.clone(), Secret::new(fill(value.expose(), Place::Plain, values)?)));
        filled.0.insert("headers", Value::SecretMap(headers.iter().map(fill).collect::<Result<_, String>>()?));
    }
    Ok(filled)
}

fn body_place(settings: &Settings, body: &str) -> Place {
    let is_form =
        |(name, value): (&String, &Secret)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()) && value.expose().contains("form-urlencoded");
    if settings.secret_map("headers").into_iter().flatten().any(is_form) {
        Place::Url
    } else if body.trim_start().starts_with(['{', '[']) && !body.trim_start().starts_with("{{") {
        Place::Json
    } else {
        Place::Plain
    }
}

/// Names that no step before has captured, and places where none may stand.
pub(super) fn check_names(settings: &Settings, known: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut check = |key: &'static str, text: &str, shown: bool| {
        for piece in pieces(text) {
            let Piece::Name(name, at) = piece else { continue };
            if known.iter().any(|known| known == name) {
                continue;
            }
            // The value of a header may be a secret that happens to have braces.
            let named = if is_name(name) { name } else { "{{..}}" };
            let fault = Fault::new(key, format!("nothing captures `{named}` before this step"));
            let fault = if shown { fault.at(at..at + name.len() + 4) } else { fault };
            faults.push(match known {
                [] => fault.hint("write capture = { name = \"$.path\" } in a step before it"),
                known => fault.hint(format!("captured by now: {}", known.join(", "))),
            });
        }
    };
    let url = settings.text("url").unwrap_or_default();
    check("url", url, true);
    check("body", settings.text("body").unwrap_or_default(), true);
    for value in settings.secret_map("headers").into_iter().flat_map(|headers| headers.values()) {
        check("headers", value.expose(), false);
    }
    let authority_end = url.find("://").map_or(0, |at| at + 3 + url[at + 3..].find(['/', '?', '#']).unwrap_or(url.len() - at - 3));
    if let Some(at) = url.find("{{").filter(|at| *at < authority_end || authority_end == 0) {
        let fault = Fault::new("url", "a captured value cannot say whom to ask").at(at..at + 2);
        faults.push(fault.hint("write scheme and host, and {{name}} behind them"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, body: &str, headers: &[(&str, &str)]) -> Settings {
        let headers = headers.iter().map(|(n, v)| (n.to_string(), Secret::new(v.to_string()))).collect();
        Settings([("url", Value::Text(url.into())), ("body", Value::Text(body.into())), ("headers", Value::SecretMap(headers))].into())
    }

    fn values(value: &str) -> Vec<(String, Secret)> {
        vec![("id".into(), Secret::new("old".into())), ("id".into(), Secret::new(value.into()))]
    }

    #[test]
    fn a_value_is_encoded_for_its_place() {
        let form = [("Content-Type", "application/x-www-form-urlencoded"), ("X", "Bearer {{id}}")];
        for (value, url, body, headers, want_url, want_body) in [
            (
                "a b/../&",
                "https://a/x/{{ id }}?q={{id}}",
                "{\"id\":\"{{id}}\"}",
                &[][..],
                "https://a/x/a%20b%2F..%2F%26?q=a%20b%2F..%2F%26",
                "{\"id\":\"a b/../&\"}",
            ),
            ("\"},{\"", "https://a/", "[\"{{id}}\"]", &[], "https://a/", "[\"\\\"},{\\\"\"]"),
            ("a&b=c", "https://a/", "id={{id}}", &form, "https://a/", "id=a%26b%3Dc"),
            ("<x>", "https://a/", "{{id}}", &[], "https://a/", "<x>"),
            ("1", "https://a/{not}", "{{ open", &[], "https://a/{not}", "{{ open"),
        ] {
            let filled = filled(&settings(url, body, headers), &values(value)).unwrap();
            assert_eq!((filled.text("url"), filled.text("body")), (Some(want_url), Some(want_body)), "{value}");
        }
        let filled_headers = filled(&settings("https://a/", "", &form), &values("t")).unwrap();
        assert_eq!(filled_headers.secret_map("headers").unwrap()["X"].expose(), "Bearer t");
        assert_eq!(filled(&settings("https://a/{{other}}", "", &[]), &values("t")), Err("other".to_owned()));
    }

    #[test]
    fn names_that_nobody_captures_are_faults() {
        let known = ["id".to_owned(), "token".to_owned()];
        let faults = |url: &str, header: &str| check_names(&settings(url, "{{id}}", &[("X", header)]), &known);
        assert_eq!(faults("https://a/{{id}}", "{{token}}"), []);
        let found = faults("https://a/{{ idd }}", "{{tokn}}");
        assert_eq!(found.iter().map(|f| f.key).collect::<Vec<_>>(), ["url", "headers"]);
        assert_eq!(found[0].hint.as_deref(), Some("captured by now: id, token"));
        for url in ["{{id}}", "https://{{id}}/", "https://{{id}}.a/", "https://a{{id}}", "{{id}}://a/"] {
            assert!(faults(url, "").iter().any(|fault| fault.message.contains("whom to ask")), "{url}");
        }
        assert_eq!(faults("https://a?{{id}}", ""), []);
    }

    #[test]
    fn captures_are_judged_at_load() {
        for good in ["$.a", "header.location", "header.location matches '([0-9]+)$'", "body matches \"a(b)\"", "body  matches '(it's)'"] {
            assert!(Capture::of("x", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "body",
            "a",
            "$[",
            "header.",
            "body matches 'a'",
            "body matches '(a)(b)'",
            "body matches (a)",
            "body contains '(a)'",
            "body matches '('",
        ] {
            assert_eq!(Capture::of("x", bad).unwrap_err().key, "capture", "{bad}");
        }
        for name in ["", "a b", "a.b", "{{a}}"] {
            assert!(Capture::of(name, "$.a").is_err(), "{name}");
        }
    }
}
