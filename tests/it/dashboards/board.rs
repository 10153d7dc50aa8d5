//! A dashboard as JSON, and as much of PromQL as finds the metrics in an expression.

use serde_json::Value;

pub struct Board {
    pub name: String,
    pub json: Value,
}

impl Board {
    pub fn read(name: &str) -> Board {
        let text = super::read(&format!("grafana/{name}.json"));
        Board { name: name.to_owned(), json: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")) }
    }

    pub fn panels(&self) -> &[Value] {
        list(&self.json["panels"])
    }

    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    pub fn annotations(&self) -> &[Value] {
        list(&self.json["annotations"]["list"])
    }

    /// (panel, target) of every query.
    pub fn targets(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.panels().iter().flat_map(|panel| list(&panel["targets"]).iter().map(move |target| (panel, target)))
    }

    /// Of panels, variables and annotations.
    pub fn expressions(&self) -> Vec<String> {
        let panels = self.targets().map(|(_, target)| text(&target["expr"]));
        let variables =
            self.variables().iter().filter(|variable| variable["type"] == "query").map(|variable| text(&variable["definition"]));
        let annotations = self.annotations().iter().map(|annotation| text(&annotation["expr"]));
        panels.chain(variables).chain(annotations).map(str::to_owned).collect()
    }
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// Every metric of ours that `expression` names, with what follows the name.
pub fn metrics(expression: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let mut rest = expression;
    std::iter::from_fn(move || {
        let start = rest.find(is_word)?;
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        rest = &word[end..];
        Some((&word[..end], rest))
    })
    .filter(|(word, _)| word.starts_with("vendord_") || word.starts_with("process_"))
}
