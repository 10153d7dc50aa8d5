//! Tables for spreadsheets.

use super::words::tame;

/// A table as of RFC 4180, with a header.
pub fn csv<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let heads = heads.map(str::to_owned);
    let written = std::iter::once(heads).chain(rows.map(|row| row.map(harmless))).try_for_each(|row| writer.write_record(row));
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).expect("memory takes everything, and all rows are equally long");
    String::from_utf8(bytes).expect("it was made of text")
}

/// Absent is an empty cell.
pub fn optional(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// A cell that a spreadsheet would take for a formula is text to it behind a `'`: <https://owasp.org/www-community/attacks/CSV_Injection>.
fn harmless(cell: String) -> String {
    let cell = tame(&cell);
    if cell.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f25_no_cell_is_a_formula() {
        let rows = [["=1+1", "a,b"], ["\t@SUM(A1)", "2026-11-01"], [" -x", "say \"hi\"\n+more"], ["", "a-b"]];
        let table = csv(["one", "two"], rows.iter().map(|row| row.map(str::to_owned)));
        assert_eq!(table, "one,two\n'=1+1,\"a,b\"\n' @SUM(A1),2026-11-01\n' -x,\"say \"\"hi\"\" +more\"\n,a-b\n");
    }
}
