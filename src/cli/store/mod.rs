//! `vendord store`: the database itself.

mod backup;
mod restore;
mod size;
mod verify;

use clap::Subcommand;

use super::{Answer, Context, Failure};

#[derive(Subcommand)]
#[command(before_help = "Example:\n  vendord store size")]
pub enum Verb {
    /// What takes how much, and what keeping results for less would free
    Size(size::Arguments),
    /// Whether the database is sound
    Verify(verify::Arguments),
    /// A consistent copy, also while vendord runs
    Backup(backup::Arguments),
    /// Go back to a backup
    Restore(restore::Arguments),
}

pub fn store(context: &Context, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Size(arguments) => size::size(context, arguments),
        Verb::Verify(arguments) => verify::verify(context, arguments),
        Verb::Backup(arguments) => backup::backup(context, arguments),
        Verb::Restore(arguments) => restore::restore(context, arguments),
    }
}

/// For people: `1.4 GiB`, `13 KiB`.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    let number = bytes as f64 / (1u64 << (10 * exponent)) as f64;
    let decimals = usize::from(number < 10.0);
    format!("{number:.decimals$} {}", UNITS[exponent as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_people_read_them() {
        for (number, want) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (13_000, "13 KiB"), (1_503_238_553, "1.4 GiB"), (5 << 40, "5.0 TiB")]
        {
            assert_eq!(bytes(number), want);
        }
    }
}
