//! Who plays: vendors that do not exist, with what befell them in the last 90 days and what they said about it.
//!
//! Everything is relative to the beginning of the demo. What is made of it at an instant is `world`'s.

use std::time::Duration;

use crate::model::{Impact, Reason};

pub struct Vendor {
    pub id: &'static str,
    pub name: &'static str,
    pub category: &'static str,
    pub tier: u8,
    /// What its status page is made with; `None`: it has none.
    pub platform: Option<Platform>,
    /// What its page lists.
    pub components: &'static [&'static str],
    pub checks: &'static [Check],
    pub troubles: &'static [Trouble],
    pub works: &'static [Work],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Statuspage,
    Incidentio,
    /// The history of a Statuspage as an Atom feed, and nothing else.
    Atom,
    /// An RSS feed as Instatus prints it.
    Rss,
}

impl Platform {
    /// The document that says how the page is now.
    pub const fn live(self) -> &'static str {
        match self {
            Platform::Statuspage | Platform::Incidentio => "/api/v2/summary.json",
            Platform::Atom => "/history.atom",
            Platform::Rss => "/history.rss",
        }
    }
}

pub struct Check {
    pub name: &'static str,
    pub kind: Kind,
    /// What it usually takes.
    pub usual_ms: u32,
    pub degraded_over_ms: Option<u32>,
    /// How often it was looked at in the past.
    pub interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request to this path.
    Http(&'static str),
    /// The same, with a key of ours.
    Keyed(&'static str),
    /// A payment from beginning to end: several requests below `/v1/`.
    Payment,
    Tcp,
}

/// Something that went wrong, or was said to.
pub struct Trouble {
    /// Before the demo began.
    pub ago: Duration,
    /// `None`: it goes on.
    pub lasted: Option<Duration>,
    /// Names of the checks that felt it.
    pub checks: &'static [&'static str],
    pub felt: Felt,
    /// `None`: the vendor never said a word.
    pub posted: Option<Posted>,
}

/// What a check gets to feel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Felt {
    Nothing,
    Slow,
    Down(Reason),
    /// Our key is refused: that is about us, and no evidence about the vendor.
    Refused,
}

/// How a vendor speaks about trouble.
#[derive(Clone, Copy)]
pub struct Posted {
    /// After it began.
    pub after: Duration,
    pub title: &'static str,
    pub impact: Impact,
    pub components: &'static [&'static str],
}

/// Announced work.
pub struct Work {
    pub title: &'static str,
    /// After the demo began; before it where negative.
    pub starts_minutes: i64,
    pub lasts: Duration,
    pub components: &'static [&'static str],
}

/// Time in which vendord itself did not run: before the demo began, and how long.
pub const AWAY: (Duration, Duration) = (ago(23, 5, 10), minutes(200));
/// How far the past reaches.
pub const PAST: Duration = ago(90, 0, 0);

const OFTEN: Duration = minutes(5);
const USUAL: Duration = minutes(10);

pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

const fn ago(days: u64, hours: u64, more: u64) -> Duration {
    minutes((days * 24 + hours) * 60 + more)
}

const fn http(name: &'static str, path: &'static str, usual_ms: u32, degraded_over_ms: u32, interval: Duration) -> Check {
    Check { name, kind: Kind::Http(path), usual_ms, degraded_over_ms: Some(degraded_over_ms), interval }
}

const fn tcp(name: &'static str, usual_ms: u32, interval: Duration) -> Check {
    Check { name, kind: Kind::Tcp, usual_ms, degraded_over_ms: None, interval }
}

/// One that was felt and is over.
const fn trouble(ago: Duration, lasted: u64, checks: &'static [&'static str], felt: Felt, posted: Option<Posted>) -> Trouble {
    Trouble { ago, lasted: Some(minutes(lasted)), checks, felt, posted }
}

/// One that the vendor told of, and nobody felt.
const fn phantom(ago: Duration, lasted: u64, posted: Posted) -> Trouble {
    trouble(ago, lasted, &[], Felt::Nothing, Some(posted))
}

const fn posted(after: u64, impact: Impact, title: &'static str, components: &'static [&'static str]) -> Option<Posted> {
    Some(says(after, impact, title, components))
}

const fn says(after: u64, impact: Impact, title: &'static str, components: &'static [&'static str]) -> Posted {
    Posted { after: minutes(after), title, impact, components }
}

use Felt::{Down, Nothing, Refused, Slow};
use Impact::{Critical, Major, Minor};
use Reason::{ConnectRefused, ConnectTimeout, HttpStatus, TimeoutHeaders};

/// The one that fails while people watch.
pub const ACTOR: &Vendor = &VENDORS[0];

pub static VENDORS: [Vendor; 8] = [
    Vendor {
        id: "acme-pay",
        name: "Acme Pay",
        category: "payments",
        tier: 1,
        platform: Some(Platform::Statuspage),
        components: &["API", "Card payments", "Payouts", "Dashboard"],
        checks: &[
            http("api", "/health", 38, 600, OFTEN),
            Check { name: "payment", kind: Kind::Payment, usual_ms: 45, degraded_over_ms: Some(2000), interval: OFTEN },
        ],
        troubles: &[
            trouble(
                ago(63, 4, 10),
                38,
                &["api", "payment"],
                Down(HttpStatus),
                posted(11, Major, "Elevated errors on card payments", &["Card payments"]),
            ),
            phantom(ago(48, 2, 0), 55, says(0, Minor, "Payouts to some banks are delayed", &["Payouts"])),
            trouble(ago(34, 9, 25), 17, &["payment"], Down(TimeoutHeaders), None),
            trouble(
                ago(12, 15, 40),
                74,
                &["api", "payment"],
                Down(HttpStatus),
                posted(26, Critical, "API is not available", &["API", "Card payments"]),
            ),
        ],
        works: &[Work {
            title: "Database upgrade of the payouts ledger",
            starts_minutes: 2 * 1440 + 300,
            lasts: minutes(120),
            components: &["Payouts"],
        }],
    },
    Vendor {
        id: "larkmail",
        name: "Larkmail",
        category: "email",
        tier: 2,
        platform: Some(Platform::Incidentio),
        components: &["Sending API", "SMTP", "Webhooks", "Statistics"],
        checks: &[http("api", "/v3/health", 55, 700, USUAL), tcp("smtp", 4, USUAL)],
        troubles: &[
            trouble(ago(71, 1, 0), 41, &["smtp"], Down(ConnectRefused), posted(7, Major, "SMTP connections are refused", &["SMTP"])),
            trouble(
                ago(27, 6, 30),
                23,
                &["api"],
                Down(HttpStatus),
                posted(45, Minor, "Sending API answered with errors", &["Sending API"]),
            ),
            Trouble {
                ago: ago(0, 0, 50),
                lasted: None,
                checks: &[],
                felt: Nothing,
                posted: posted(0, Minor, "Statistics are delayed", &["Statistics"]),
            },
        ],
        works: &[],
    },
    Vendor {
        id: "forgeyard",
        name: "Forgeyard",
        category: "source code",
        tier: 1,
        platform: Some(Platform::Statuspage),
        components: &["Git operations", "API", "Pull requests", "Runners"],
        checks: &[http("api", "/api/meta", 62, 250, OFTEN), tcp("git", 3, OFTEN)],
        troubles: &[
            trouble(ago(80, 3, 15), 19, &["api"], Down(HttpStatus), posted(6, Minor, "Errors in the API", &["API"])),
            trouble(ago(55, 10, 0), 125, &["api"], Slow, posted(18, Minor, "API responses are slow", &["API", "Pull requests"])),
            trouble(
                ago(19, 8, 45),
                66,
                &["api", "git"],
                Down(TimeoutHeaders),
                posted(9, Major, "Git operations and API time out", &["Git operations", "API"]),
            ),
            trouble(ago(5, 13, 20), 12, &["git"], Down(ConnectTimeout), None),
        ],
        works: &[
            Work {
                title: "Storage servers move to new machines",
                starts_minutes: -40 * 1440,
                lasts: minutes(45),
                components: &["Git operations"],
            },
            Work { title: "Runners get a new base image", starts_minutes: 5 * 1440, lasts: minutes(60), components: &["Runners"] },
        ],
    },
    Vendor {
        id: "swiftreef",
        name: "Swiftreef CDN",
        category: "cdn",
        tier: 1,
        platform: Some(Platform::Statuspage),
        components: &["Edge", "Purge API", "DNS"],
        checks: &[http("edge", "/edge/ping", 9, 150, OFTEN), http("purge", "/purge/health", 70, 900, USUAL)],
        troubles: &[
            trouble(
                ago(66, 11, 5),
                14,
                &["edge"],
                Down(ConnectTimeout),
                posted(3, Major, "Connection errors at some edge locations", &["Edge"]),
            ),
            phantom(ago(30, 1, 0), 34, says(0, Minor, "Purges take longer than usual", &["Purge API"])),
        ],
        works: &[],
    },
    Vendor {
        id: "hearthside",
        name: "Hearthside CRM",
        category: "crm",
        tier: 2,
        platform: Some(Platform::Incidentio),
        components: &["App", "API", "Imports"],
        checks: &[http("api", "/crm/v1/ping", 120, 480, USUAL)],
        troubles: &[
            trouble(ago(44, 5, 0), 190, &["api"], Down(HttpStatus), posted(52, Critical, "Hearthside is not available", &["App", "API"])),
            trouble(ago(9, 2, 10), 40, &["api"], Slow, posted(15, Minor, "Slow pages", &["App"])),
        ],
        works: &[],
    },
    Vendor {
        id: "pinewood",
        name: "Pinewood Maps",
        category: "maps",
        tier: 3,
        platform: Some(Platform::Atom),
        components: &["Tiles", "Geocoding"],
        checks: &[http("tiles", "/tiles/health", 85, 300, USUAL)],
        troubles: &[
            // A history that lists nothing would say nothing: those of feeds begin with something older.
            phantom(ago(97, 3, 0), 40, says(0, Minor, "Geocoding is slow", &["Geocoding"])),
            trouble(ago(50, 7, 0), 35, &["tiles"], Down(HttpStatus), posted(12, Major, "Tiles do not load", &["Tiles"])),
            Trouble { ago: ago(0, 3, 5), lasted: None, checks: &["tiles"], felt: Slow, posted: None },
        ],
        works: &[],
    },
    Vendor {
        id: "pigeonry",
        name: "Pigeonry SMS",
        category: "sms",
        tier: 2,
        platform: Some(Platform::Rss),
        components: &["Gateway", "Delivery reports"],
        checks: &[http("gateway", "/sms/health", 48, 600, USUAL), tcp("smpp", 5, USUAL)],
        troubles: &[
            phantom(ago(103, 11, 0), 25, says(0, Minor, "Delivery reports are late", &["Delivery reports"])),
            trouble(ago(37, 14, 30), 46, &["gateway"], Down(HttpStatus), posted(14, Major, "Messages are not accepted", &["Gateway"])),
            trouble(ago(16, 4, 0), 21, &["smpp"], Down(ConnectRefused), None),
        ],
        works: &[],
    },
    Vendor {
        id: "thistle-ai",
        name: "Thistle AI",
        category: "ai",
        tier: 3,
        platform: None,
        components: &[],
        checks: &[Check {
            name: "completions",
            kind: Kind::Keyed("/v1/models"),
            usual_ms: 210,
            degraded_over_ms: Some(1500),
            interval: USUAL,
        }],
        troubles: &[
            trouble(ago(60, 9, 0), 95, &["completions"], Down(HttpStatus), None),
            trouble(ago(21, 17, 0), 33, &["completions"], Down(TimeoutHeaders), None),
            Trouble { ago: ago(2, 5, 0), lasted: None, checks: &["completions"], felt: Refused, posted: None },
        ],
        works: &[],
    },
];
