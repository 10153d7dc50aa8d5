//! Where answers and failures are printed: the only place that writes to stdout and stderr.
//!
//! Colours follow `--no-color`, `NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb` and whether a terminal is there, in this order.
//! When the reader of a pipe has gone, that is no fault: we end quietly.

use std::io::{self, ErrorKind, IsTerminal, Write};

use super::{Answer, Exit, Failure};

pub struct Screen {
    pub json: bool,
    pub colour_out: bool,
    pub colour_err: bool,
}

impl Screen {
    pub fn of_this_process(no_color: bool, json: bool) -> Screen {
        let variable = |name: &str| std::env::var(name).ok();
        let coloured = |terminal| !no_color && coloured(variable, terminal);
        Screen { json, colour_out: coloured(io::stdout().is_terminal()), colour_err: coloured(io::stderr().is_terminal()) }
    }

    /// Prints how a verb ended.
    pub fn end(&self, ended: Result<Answer, Failure>) -> Exit {
        match ended {
            Ok(answer) => self.show(&answer),
            Err(failure) => {
                let text = if self.json { failure.json() } else { failure.text(self.colour_err) };
                // Nobody is there to be told when stderr is closed.
                let _ = io::stderr().write_all(text.as_bytes());
                failure.exit
            }
        }
    }

    pub fn show(&self, answer: &Answer) -> Exit {
        let mut out = io::stdout().lock();
        match out.write_all(answer.text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => answer.exit,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Fine,
            Err(error) => self.end(Err(Failure::missing(format!("cannot write to stdout: {error}")))),
        }
    }
}

/// For a verb that tells as it goes. An error: nobody reads it any more.
pub fn tell(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What is to be read beside an answer that goes into a file.
pub fn remark(text: &str) {
    // Nobody is there to be told when stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn coloured(variable: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    if set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE").as_deref() != Some("0") {
        return true;
    }
    terminal && variable("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_a_matter_of_who_asks() {
        for (set, terminal, want) in [
            (vec![], true, true),
            (vec![], false, false),
            (vec![("TERM", "dumb")], true, false),
            (vec![("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, false),
            (vec![("NO_COLOR", "")], true, true),
            (vec![("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false, true),
            (vec![("CLICOLOR_FORCE", "0")], false, false),
        ] {
            let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(coloured(variable, terminal), want, "{set:?} {terminal}");
        }
    }
}
