//! What a registry says of a domain (RFC 9083 5.3), as far as it is looked at. Pure.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::model::Timestamp;
use crate::probes::failure::clean;

const NAME_CHARS_MAX: usize = 80;

/// A domain has a handful of each; a registry that sends more is not imposing work on us.
const LIST_MAX: usize = 50;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Registration {
    /// `None`: this registry publishes none.
    pub expires_at: Option<Timestamp>,
    pub registrar: Option<String>,
    pub statuses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    object_class_name: String,
    ldh_name: Option<String>,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    entities: Vec<Entity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_action: String,
    event_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    #[serde(default)]
    roles: Vec<String>,
    handle: Option<String>,
    #[serde(default)]
    vcard_array: Json,
}

/// Or why it is none.
pub(super) fn read(body: &[u8], domain: &str) -> Result<Registration, String> {
    let document: Document = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !document.object_class_name.eq_ignore_ascii_case("domain") {
        return Err(format!("it is about a {}", clean(&document.object_class_name, NAME_CHARS_MAX)));
    }
    if let Some(name) = &document.ldh_name
        && !name.trim_end_matches('.').eq_ignore_ascii_case(domain)
    {
        return Err(format!("it is about {}", clean(name, NAME_CHARS_MAX)));
    }
    let ends = document.events.iter().filter(|event| event.event_action.eq_ignore_ascii_case("expiration"));
    let dates: Vec<Timestamp> = ends.take(LIST_MAX).filter_map(|event| event.event_date.as_deref()).map(date).collect::<Result<_, _>>()?;
    Ok(Registration {
        expires_at: dates.into_iter().min(),
        registrar: document.entities.iter().take(LIST_MAX).find(|entity| entity.is_registrar()).and_then(Entity::name),
        statuses: document.status.iter().take(LIST_MAX).map(|status| clean(status, NAME_CHARS_MAX)).collect(),
    })
}

/// RFC 3339 (RFC 9083 3); a date without an offset, as a few registries write it, is of UTC.
fn date(text: &str) -> Result<Timestamp, String> {
    let at = text.parse::<jiff::Timestamp>().or_else(|error| {
        let civil: DateTime = text.parse().map_err(|_| error)?;
        civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    let at = at.map_err(|_| format!("{:?} is not a date", clean(text, NAME_CHARS_MAX)))?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

impl Entity {
    fn is_registrar(&self) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case("registrar"))
    }

    /// `fn` of its jCard (RFC 7095 3.3), else the handle.
    fn name(&self) -> Option<String> {
        let properties = self.vcard_array.get(1).and_then(Json::as_array).into_iter().flatten();
        let full = properties.take(LIST_MAX).find(|property| property.get(0).and_then(Json::as_str) == Some("fn"));
        let name = full.and_then(|property| property.get(3)).and_then(Json::as_str).or(self.handle.as_deref())?;
        Some(clean(name, NAME_CHARS_MAX)).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"objectClassName":"domain","ldhName":"VENDOR.EXAMPLE","status":["active"],
        "events":[{"eventAction":"registration","eventDate":"2001-01-01T00:00:00Z"},
                  {"eventAction":"registrar expiration","eventDate":"2020-01-01T00:00:00Z"},
                  {"eventAction":"expiration","eventDate":"2030-01-02T03:04:05.678+01:00"}],
        "entities":[{"roles":["abuse"],"handle":"1"},
                    {"roles":["registrar"],"handle":"292","vcardArray":["vcard",[["version",{},"text","4.0"],["fn",{},"text","Names\u202e Ltd."]]]}]}"#;

    #[test]
    fn end_registrar_and_status_are_found() {
        let read = read(WHOLE.as_bytes(), "vendor.example").unwrap();
        assert_eq!(read.expires_at.unwrap().to_string(), "2030-01-02T02:04:05.678Z");
        assert_eq!((read.registrar.as_deref(), read.statuses), (Some("Names Ltd."), vec!["active".to_owned()]));
    }

    #[test]
    fn what_is_not_there_is_no_fault() {
        let bare = br#"{"objectClassName":"domain","ldhName":"vendor.example"}"#;
        assert_eq!(read(bare, "vendor.example"), Ok(Registration::default()));
        for more in [r#""entities":[{"roles":["registrar"]}]"#, r#""entities":[{"roles":["registrar"],"vcardArray":{"a":1}}]"#] {
            let text = format!(r#"{{"objectClassName":"domain",{more}}}"#);
            assert_eq!(read(text.as_bytes(), "vendor.example").unwrap().registrar, None);
        }
    }

    #[test]
    fn dates_are_read_as_registries_write_them() {
        for (text, want) in [
            ("2026-08-13T04:00:00Z", Some("2026-08-13T04:00:00.000Z")),
            ("2026-08-13T04:00:00", Some("2026-08-13T04:00:00.000Z")),
            ("2026-08-13", Some("2026-08-13T00:00:00.000Z")),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(date(text).ok().map(|at| at.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_registration_of_the_domain_is_refused() {
        let other = WHOLE.replace("VENDOR", "other");
        let dated = WHOLE.replace("2030-01-02T03:04:05.678+01:00", "never");
        let entity = WHOLE.replace("\"domain\"", "\"entity\"");
        for text in [other.as_str(), &dated, &entity, "", "{}", "[]", "null", "<html>", "{\"objectClassName\":\"domain\",\"events\":{}}"] {
            assert!(read(text.as_bytes(), "vendor.example").is_err(), "{text}");
        }
    }
}
