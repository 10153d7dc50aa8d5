//! Reading JSON of which nothing is certain: a value of another type than expected is an absent one, never an error of the
//! whole document, and no list grows beyond its limit. Memory is bounded by what is kept, not by what is sent.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Unreadable;
use crate::model::Timestamp;

/// Reads a document of `format`, an object, as `T`.
pub fn read<'d, T: Deserialize<'d>>(format: &'static str, text: &'d str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable::shape(format, error.to_string())).and_then(|read| {
        // Serde fills a struct from a list too.
        if text.trim_start().starts_with('{') { Ok(read) } else { Err(Unreadable::shape(format, "it is no object")) }
    })
}

/// Reads a document of `format`, a list of at most `MAX` elements, as those of them that are a `T`.
pub fn list<'d, T: Deserialize<'d>, const MAX: usize>(
    format: &'static str,
    text: &'d str,
    what: &'static str,
) -> Result<Vec<T>, Unreadable> {
    let read: List<T, MAX> = serde_json::from_str(text).map_err(|error| Unreadable::shape(format, error.to_string()))?;
    if read.is_there() { read.within(what) } else { Err(Unreadable::shape(format, "it is no list")) }
}

/// One element of a list, read when its turn has come. A list is no object, although serde fills a struct from one.
pub fn element<'d, T: Deserialize<'d>>(raw: &'d RawValue) -> Option<T> {
    if raw.get().starts_with('[') { None } else { serde_json::from_str(raw.get()).ok() }
}

/// A value (not a list) that is what it should be, or absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Lax<T>(pub Option<T>);

impl<T> Default for Lax<T> {
    fn default() -> Self {
        Lax(None)
    }
}

impl<'d, T: Deserialize<'d>> Deserialize<'d> for Lax<T> {
    fn deserialize<D: Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(d).map(|raw| Lax(element(raw)))
    }
}

/// A text, or a number as text; anything else, and an empty one, is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Option<String>);

impl<'d> Deserialize<'d> for Text {
    fn deserialize<D: Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        let text = match raw.bytes().next() {
            Some(b'"') => serde_json::from_str(raw).unwrap_or_default(),
            Some(b'0'..=b'9' | b'-') => raw.to_owned(),
            _ => String::new(),
        };
        Ok(Text(Some(text).filter(|text| !text.trim().is_empty())))
    }
}

impl Text {
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref().map(str::trim)
    }

    /// An instant with its zone (RFC 3339); anything else is absent.
    pub fn instant(&self) -> Option<Timestamp> {
        Timestamp::parse(self.as_str()?)
    }
}

/// The elements of a list that are what they should be. `null`, and a value of another type, is a list that is not there.
/// Of more than `MAX` elements none beyond the first `MAX + 1` is kept: [`List::within`] tells.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T, const MAX: usize>(pub Option<Vec<T>>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        List(None)
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The elements, or the error that there are too many.
    pub fn within(self, what: &'static str) -> Result<Vec<T>, Unreadable> {
        let elements = self.0.unwrap_or_default();
        if elements.len() > MAX { Err(Unreadable::TooMany { what, max: MAX }) } else { Ok(elements) }
    }

    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

impl<'d, T: Deserialize<'d>, const MAX: usize> Deserialize<'d> for List<T, MAX> {
    fn deserialize<D: Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        if !raw.starts_with('[') {
            return Ok(List(None));
        }
        let elements = serde_json::Deserializer::from_str(raw).deserialize_seq(Elements::<T, MAX>(PhantomData));
        elements.map(|elements| List(Some(elements))).map_err(serde::de::Error::custom)
    }
}

/// A list inside a list, read when its turn has come.
pub fn listed<'d, T: Deserialize<'d>, const MAX: usize>(raw: Option<&'d RawValue>, what: &'static str) -> Result<Vec<T>, Unreadable> {
    let list: Option<List<T, MAX>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    list.unwrap_or_default().within(what)
}

struct Elements<T, const MAX: usize>(PhantomData<T>);

impl<'d, T: Deserialize<'d>, const MAX: usize> Visitor<'d> for Elements<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut elements = Vec::new();
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            if elements.len() <= MAX {
                elements.extend(element::<T>(raw));
            }
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Sample {
        name: Text,
        flag: Lax<bool>,
        list: List<Inner, 2>,
        inner: Lax<Inner>,
    }

    #[derive(Clone, Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Inner {
        id: Text,
    }

    fn sample(text: &str) -> Sample {
        read("sample", text).unwrap()
    }

    #[test]
    fn another_type_is_an_absent_value() {
        for text in
            ["{}", r#"{"name": null, "flag": 1, "list": {}, "inner": []}"#, r#"{"name": ["x"], "flag": "true", "list": "x", "inner": 7}"#]
        {
            assert_eq!(sample(text), Sample::default(), "{text}");
        }
        let full = sample(r#"{"name": 7, "flag": true, "list": [{"id": "a"}, null, 3, {"id": " "}], "inner": {"id": "b", "more": {}}}"#);
        assert_eq!((full.name.as_str(), full.flag.0), (Some("7"), Some(true)));
        assert_eq!(full.list.within("entries").unwrap().iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), [Some("a"), None]);
        assert_eq!(full.inner.0.unwrap().id.as_str(), Some("b"));
    }

    #[test]
    fn a_list_beyond_its_limit_is_refused_and_not_kept() {
        let text = format!("{{\"list\": [{}]}}", vec!["{}"; 100_000].join(","));
        let list = sample(&text).list;
        assert_eq!(list.0.as_ref().map(Vec::len), Some(3));
        assert_eq!(list.within("entries"), Err(Unreadable::TooMany { what: "entries", max: 2 }));
    }

    #[test]
    fn depth_and_damage_are_errors() {
        for text in ["", "{", "[]", "{\"name\": \"x\"", &format!("{{\"x\":{}", "[".repeat(100_000))] {
            assert!(read::<Sample>("sample", text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }

    #[test]
    fn instants_need_a_zone() {
        let instant = |text: &str| Text(Some(text.into())).instant().map(|t| t.to_string());
        assert_eq!(instant("2021-12-27T07:26:27.063-08:00").as_deref(), Some("2021-12-27T15:26:27.063Z"));
        assert_eq!(instant("2021-12-27 07:26"), None);
    }
}
