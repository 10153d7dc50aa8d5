//! The configuration that the demo runs on: real files, for people to read and to try commands with.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cast::{Check, Kind};
use super::directory::Directory;
use super::script::Pace;
use super::servers::Open;
use crate::cli::Failure;
use crate::model::Uuid;

const CHECKS_EVERY: Duration = Duration::from_secs(5);
const PAGES_EVERY: Duration = Duration::from_secs(10);
/// However fast the script is: a check must not time out where it is only slow.
const SHORTEST: Duration = Duration::from_secs(1);

/// What the main file has to know.
pub struct Main<'m> {
    pub web: std::net::SocketAddr,
    pub receiver: String,
    pub pace: Pace,
    pub vendors: &'m [Open],
}

pub fn write(directory: &Directory, main: &Main) -> Result<(), Failure> {
    directory.write("vendord.toml", &main_file(directory, main))?;
    // As random as it needs to be for messages that stay on this machine.
    let secret = STANDARD.encode([Uuid::now_v7(), Uuid::now_v7()].map(Uuid::into_bytes).as_flattened());
    directory.write("secrets/webhook.txt", &format!("whsec_{secret}\n"))?;
    directory.write("secrets/thistle-ai.txt", "a-key-that-has-expired\n")?;
    for open in main.vendors {
        directory.write(&format!("vendors/{}.toml", open.vendor.id), &vendor_file(open))?;
    }
    Ok(())
}

fn main_file(directory: &Directory, main: &Main) -> String {
    // Written out, so that commands in another terminal find it whatever $STATE_DIRECTORY is there.
    let database = directory.path().join("vendord.db");
    format!(
        r#"# Written by `vendord demo`. The vendors in vendors/ do not exist: they are simulated on this machine.

[store]
url = {database:?}

[agent]
location = "demo"

[web]
listen = "{web}"

[log]
level = "warn"

# Much more often than is polite, so that things move while people watch.
[defaults.checks]
interval = "{checks}ms"
flap_changes = 0                     # what is played again and again does not flap

[defaults.status_pages]
interval = "{pages}ms"

[[receivers]]
name = "terminal"
kind = "webhook"
url = "{receiver}"
secret = {{ file = "secrets/webhook.txt" }}

[[routes]]
receiver = "terminal"
group_wait = "0s"
group_interval = "0s"
"#,
        database = format!("sqlite:{}", database.display()),
        web = main.web,
        checks = main.pace.of(CHECKS_EVERY).max(SHORTEST).as_millis(),
        pages = main.pace.of(PAGES_EVERY).max(SHORTEST).as_millis(),
        receiver = main.receiver,
    )
}

fn vendor_file(open: &Open) -> String {
    let vendor = open.vendor;
    let mut text =
        format!("# Simulated by `vendord demo`.\nname = {:?}\ncategory = {:?}\ntier = {}\n", vendor.name, vendor.category, vendor.tier);
    if let Some((_, page)) = &open.page {
        let _ = write!(text, "\n[[status_pages]]\nurl = \"{}\"\n", page.url());
    }
    for check in vendor.checks {
        text += &check_lines(check, open);
    }
    text
}

fn check_lines(check: &Check, open: &Open) -> String {
    let (api, name) = (open.api.url(), check.name);
    let over = check.degraded_over_ms.map(|ms| format!("degraded_over = \"{ms}ms\"\n")).unwrap_or_default();
    match check.kind {
        Kind::Http(path) => {
            format!(
                "\n[[checks]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{api}{path}\"\nexpect = [\"status == 200\", \"$.status == 'ok'\"]\n{over}"
            )
        }
        Kind::Keyed(path) => {
            let auth = format!("auth = {{ bearer = {{ file = \"secrets/{}.txt\" }} }}\n", open.vendor.id);
            format!("\n[[checks]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{api}{path}\"\n{auth}{over}")
        }
        Kind::Tcp => format!("\n[[checks]]\nname = \"{name}\"\nkind = \"tcp\"\naddress = \"{}\"\n{over}", open.api.address),
        Kind::Payment => format!("\n[[checks]]\nname = \"{name}\"\nkind = \"scenario\"\n{over}{}", payment_steps(&api)),
    }
}

/// As a shop would do it: a token for the card, a payment with it, and the money back at the end.
fn payment_steps(api: &str) -> String {
    format!(
        r#"
[[checks.steps]]
name = "token"
url = "{api}/v1/tokens"
method = "POST"
capture = {{ token = "$.token" }}

[[checks.steps]]
name = "pay"
url = "{api}/v1/payments"
method = "POST"
headers = {{ Content-Type = "application/json" }}
body = '{{"card": "{{{{token}}}}", "amount": 100}}'
capture = {{ payment = "$.id" }}

[[checks.steps]]
name = "refund"
url = "{api}/v1/payments/{{{{payment}}}}/refund"
method = "POST"
cleanup = true
"#
    )
}
