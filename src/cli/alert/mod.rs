//! `vendord alert`: what people were told, and whether they can be told.

mod list;
mod test;

use clap::Subcommand;

use super::{Answer, Context, Failure};

#[derive(Subcommand)]
#[command(before_help = "Example:\n  vendord alert list --firing")]
pub enum Verb {
    /// Every alert with its deliveries
    List(list::Arguments),
    /// Send one marked test to a receiver
    Test(test::Arguments),
}

pub fn alert(context: &Context, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List(arguments) => list::list(context, arguments),
        Verb::Test(arguments) => test::test(context, arguments),
    }
}
