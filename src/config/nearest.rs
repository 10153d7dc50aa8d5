//! "Did you mean": the known name that a person most likely meant.

/// The nearest of `names`, if one is near enough to be worth saying.
pub fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| near(*distance, written, name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A typing slip in a third of the shorter name, or one is the beginning of the other (`retry` for `retry_interval`).
fn near(distance: usize, written: &str, name: &str) -> bool {
    const BEGINNING_MIN: usize = 4;
    let shorter = written.len().min(name.len());
    let begins = name.starts_with(written) || written.starts_with(name);
    distance <= (shorter / 3).max(1) && shorter > 1 || begins && shorter >= BEGINNING_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["interval", "retry_interval", "timeout", "url", "expect", "ca"];
        for (written, want) in [
            ("intervall", Some("interval")),
            ("intreval", Some("interval")),
            ("time_out", Some("timeout")),
            ("uri", Some("url")),
            ("retry", Some("retry_interval")),
            ("expects", Some("expect")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, names), want, "{written}");
        }
    }
}
