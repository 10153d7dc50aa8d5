//! A condition of Gatus as one of ours. <https://github.com/TwiN/gatus#conditions>

use super::draft::Draft;

/// What stands left and right of a comparison.
struct Parts<'t> {
    left: &'t str,
    comparison: &'static str,
    right: &'t str,
}

/// The longer first, so that `<=` is not read as `<`.
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

/// Adds to `draft` what `condition` asks for, or says why not.
pub fn carry(draft: &mut Draft, condition: &str) {
    let Some(parts) = parts(condition) else {
        draft.lose(format!("{condition}: it is no comparison"));
        return;
    };
    match ours(draft.kind, &parts) {
        Ok(expressions) => draft.expect.extend(expressions),
        Err(why) => draft.lose(format!("{}: {why}", condition.trim())),
    }
}

fn parts(condition: &str) -> Option<Parts<'_>> {
    COMPARISONS.into_iter().find_map(|comparison| {
        let (left, right) = condition.split_once(&format!(" {comparison} "))?;
        Some(Parts { left: left.trim(), comparison, right: right.trim() })
    })
}

/// None where the kind looks at it anyway.
fn ours(kind: &str, parts: &Parts) -> Result<Vec<String>, String> {
    let Parts { left, comparison, right } = *parts;
    let compared = |subject: &str| text(subject, comparison, right).map(|expression| vec![expression]);
    match left.to_ascii_uppercase().as_str() {
        "[STATUS]" => number("status", comparison, right),
        "[RESPONSE_TIME]" => {
            let ms: u64 = right.parse().map_err(|_| "it is compared with no number of milliseconds".to_owned())?;
            Ok(vec![format!("latency {comparison} {ms}ms")])
        }
        "[CONNECTED]" if (comparison, right) == ("==", "true") => Ok(Vec::new()),
        "[CONNECTED]" => Err("a check cannot hope for a failure".to_owned()),
        "[CERTIFICATE_EXPIRATION]" => Ok(vec![format!("cert.days_left {comparison} {}", days(right)?)]),
        "[DOMAIN_EXPIRATION]" => Err("write a check of kind \"domain\" with expires_within".to_owned()),
        "[IP]" => compared("ip"),
        "[DNS_RCODE]" => compared("dns.rcode"),
        "[BODY]" if kind == "dns" && comparison == "==" => match call(right, "pat") {
            Some(pattern) => Ok(vec![format!("dns.answers matches {}", literal(&regex(pattern)))]),
            None => Ok(vec![format!("dns.answers contains {}", literal(unquoted(right)))]),
        },
        "[BODY]" => compared("body"),
        _ => nested(left, comparison, right),
    }
}

fn nested(left: &str, comparison: &str, right: &str) -> Result<Vec<String>, String> {
    if let Some(inner) = call(left, "len") {
        let path = path(inner).ok_or_else(|| "only the length of what is in the body can be asked for".to_owned())?;
        return number(&format!("count({path}[*])"), comparison, right);
    }
    if let Some(inner) = call(left, "has") {
        return match (path(inner), comparison, right) {
            (Some(path), "==", "true") => Ok(vec![format!("{path} exists")]),
            (None, ..) => Err("only what is in the body can be asked for".to_owned()),
            _ => Err("that something is not there cannot be asked for".to_owned()),
        };
    }
    if let Some(name) = left.get(.."[HEADER].".len()).filter(|head| head.eq_ignore_ascii_case("[HEADER].")).map(|head| &left[head.len()..])
    {
        return text(&format!("header.{}", name.to_ascii_lowercase()), comparison, right).map(|expression| vec![expression]);
    }
    match path(left) {
        Some(path) => text(&path, comparison, right).map(|expression| vec![expression]),
        None => Err("there is nothing like it here".to_owned()),
    }
}

/// `[BODY].a[0].b` as a JSONPath; plain names only.
fn path(left: &str) -> Option<String> {
    let rest = left.get("[BODY]".len()..).filter(|_| left.to_ascii_uppercase().starts_with("[BODY]"))?;
    let mut path = String::from("$");
    for part in rest.split('.').filter(|part| !part.is_empty()) {
        let (name, index) = part.split_at(part.find('[').unwrap_or(part.len()));
        let plain =
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match (name, plain) {
            ("", _) => {}
            (name, true) => path += &format!(".{name}"),
            (name, false) => path += &format!("['{}']", name.replace('\'', "\\'")),
        }
        path += index;
    }
    Some(path)
}

fn number(subject: &str, comparison: &str, right: &str) -> Result<Vec<String>, String> {
    if let Some(any) = call(right, "any").filter(|_| comparison == "==") {
        let numbers: Option<Vec<u64>> = any.split(',').map(|one| one.trim().parse().ok()).collect();
        let numbers = numbers.ok_or_else(|| "not all of these are numbers".to_owned())?;
        return Ok(vec![format!("{subject} in {numbers:?}")]);
    }
    let number: f64 = right.parse().map_err(|_| "it is not compared with a number".to_owned())?;
    Ok(vec![format!("{subject} {comparison} {number}")])
}

/// What may be a text or a number. `==` of theirs compares texts, so that `1` means both; a number is what an API says.
fn text(subject: &str, comparison: &str, right: &str) -> Result<String, String> {
    if let Some(pattern) = call(right, "pat") {
        return match comparison {
            "==" => Ok(format!("{subject} matches {}", literal(&regex(pattern)))),
            _ => Err("that a pattern does not hold cannot be asked for".to_owned()),
        };
    }
    if let Some(any) = call(right, "any") {
        let items: Vec<String> = any.split(',').map(|one| scalar(subject, one.trim())).collect();
        return match comparison {
            "==" => Ok(format!("{subject} in [{}]", items.join(", "))),
            _ => Err("that it is none of several cannot be asked for".to_owned()),
        };
    }
    if right.starts_with('[') || right.contains("[BODY]") {
        return Err("it is compared with something else that was seen".to_owned());
    }
    Ok(format!("{subject} {comparison} {}", scalar(subject, right)))
}

/// Only JSON knows numbers and flags; all else is text.
fn scalar(subject: &str, word: &str) -> String {
    let is_number = word.parse::<f64>().is_ok_and(f64::is_finite) && !word.starts_with('+');
    let plain = subject.starts_with('$') && (is_number || matches!(word, "true" | "false" | "null"));
    if plain { word.to_owned() } else { literal(unquoted(word)) }
}

fn call<'t>(text: &'t str, function: &str) -> Option<&'t str> {
    Some(text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?.trim())
}

fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "\\'"))
}

/// `*` stands for anything.
fn regex(pattern: &str) -> String {
    let parts: Vec<String> = unquoted(pattern).split('*').map(regex::escape).collect();
    format!("(?s)^{}$", parts.join(".*"))
}

/// `48h` in days.
fn days(text: &str) -> Result<f64, String> {
    Ok(duration(text).ok_or_else(|| "it is compared with no duration".to_owned())?.as_secs_f64() / 86_400.0)
}

/// As Go writes durations: `1h30m`, `300ms`; a plain number is milliseconds.
pub fn duration(text: &str) -> Option<std::time::Duration> {
    if let Ok(ms) = text.parse::<u64>() {
        return Some(std::time::Duration::from_millis(ms));
    }
    crate::cli::words::read_duration(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(kind: &'static str, condition: &str) -> Result<String, String> {
        let mut draft = Draft::new("", "x", kind);
        carry(&mut draft, condition);
        match draft.lost.pop() {
            Some(lost) => Err(lost),
            None => Ok(draft.expect.join(" & ")),
        }
    }

    #[test]
    fn conditions() {
        for (theirs, ours) in [
            ("[STATUS] == 200", "status == 200"),
            ("[STATUS] <= 299", "status <= 299"),
            ("[STATUS] == any(200, 429)", "status in [200, 429]"),
            ("[RESPONSE_TIME] < 300", "latency < 300ms"),
            ("[BODY].status == UP", "$.status == 'UP'"),
            ("[BODY].data[0].id == 1", "$.data[0].id == 1"),
            ("[BODY].my-key == true", "$['my-key'] == true"),
            ("[BODY].name == pat(john*)", "$.name matches '(?s)^john.*$'"),
            ("[BODY].name == any(a, b)", "$.name in ['a', 'b']"),
            ("len([BODY].data) > 5", "count($.data[*]) > 5"),
            ("has([BODY].errors) == true", "$.errors exists"),
            ("[BODY] == pat(*<h1>it's</h1>*)", "body matches '(?s)^.*<h1>it\\'s</h1>.*$'"),
            ("[CERTIFICATE_EXPIRATION] > 48h", "cert.days_left > 2"),
            ("[CONNECTED] == true", ""),
            ("[IP] == 127.0.0.1", "ip == '127.0.0.1'"),
            ("[HEADER].Content-Type == pat(*json*)", "header.content-type matches '(?s)^.*json.*$'"),
        ] {
            assert_eq!(carried("http", theirs).as_deref(), Ok(ours), "{theirs}");
        }
        assert_eq!(carried("dns", "[BODY] == 93.184.215.14").as_deref(), Ok("dns.answers contains '93.184.215.14'"));
        for theirs in
            ["has([BODY].errors) == false", "[BODY].a == [BODY].b", "[CONNECTED] == false", "[DOMAIN_EXPIRATION] > 720h", "age(x) < 1", "x"]
        {
            assert!(carried("http", theirs).is_err(), "{theirs}");
        }
    }
}
