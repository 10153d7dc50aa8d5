//! `/metrics`: the series of vendors and checks, written as text straight from the snapshot with prepared labels
//! (text format 0.0.4, or OpenMetrics 1.0 when asked for), after which the daemon's own follow from its registry.

use std::fmt::Write;

use super::board::{CheckFigures, Figures, PageFigures, UPTIME_DAYS, VendorFigures};
use crate::declared::SourceCondition;
use crate::model::{Impact, Outcome, Phases, Status, Timestamp};

/// What is rendered: `[metrics] level`, and which format the scraper asked for.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub full: bool,
    pub open_metrics: bool,
}

/// One family of series, for the page and for its table in the documentation.
pub struct Family {
    pub name: &'static str,
    pub kind: &'static str,
    /// Names of its labels, for people.
    pub labels: &'static str,
    pub help: &'static str,
    /// Only with `[metrics] level = "full"`.
    pub full: bool,
    write: fn(&mut Page),
}

/// Every family that is written here, in the order of the page.
pub const FAMILIES: &[Family] = &[
    family("vendord_build_info", "gauge", "version, revision", "Constant 1, labelled by the running version.", |p| {
        p.series(
            &format!("version=\"{}\",revision=\"{}\"", env!("CARGO_PKG_VERSION"), option_env!("VENDORD_REVISION").unwrap_or("unknown")),
            1.0,
        );
    }),
    family(
        "vendord_vendor_info",
        "gauge",
        "vendor, vendor_name, category, tier",
        "Registry facts of a vendor; constant 1, join on job, instance, vendor.",
        |p| {
            p.vendors(|p, v| p.series(&format!("{},{}", v.labels, v.info), 1.0));
        },
    ),
    full(
        "vendord_vendor_status",
        "gauge",
        "vendor, status",
        "The worse of the declared status and the measured state; exactly one is 1.",
        |p| {
            p.vendors(|p, v| {
                let now = v.status(p.now);
                for status in Status::ALL {
                    p.labelled(&v.labels, "status", status.as_str(), f64::from(u8::from(*status == now)));
                }
            });
        },
    ),
    family(
        "vendord_vendor_status_level",
        "gauge",
        "vendor",
        "0 unknown, 1 operational, 2 maintenance, 3 degraded, 4 partial outage, 5 major outage.",
        |p| {
            p.vendors(|p, v| p.series(&v.labels, f64::from(v.status(p.now).level())));
        },
    ),
    family(
        "vendord_vendor_declared_level",
        "gauge",
        "vendor",
        "What the vendor's page says, on the same scale; absent without a page.",
        |p| {
            p.vendors(|p, v| {
                if let Some(declared) = v.declared(p.now) {
                    p.series(&v.labels, f64::from(declared.level()));
                }
            });
        },
    ),
    family("vendord_vendor_measured_level", "gauge", "vendor", "What our checks say, on the same scale; absent without a check.", |p| {
        p.vendors(|p, v| {
            if let Some(measured) = v.measured_status(p.now) {
                p.series(&v.labels, f64::from(measured.level()));
            }
        });
    }),
    family("vendord_vendor_observed_seconds_total", "counter", "vendor", "Seconds whose state is known.", |p| {
        p.vendors(|p, v| p.series(&v.labels, v.counters.observed_seconds));
    }),
    family("vendord_vendor_downtime_seconds_total", "counter", "vendor, cause", "Seconds down.", |p| {
        p.vendors(|p, v| {
            p.series(&format!("{},cause=\"measured\"", v.labels), v.counters.downtime_seconds);
            if !v.pages.is_empty() {
                p.series(&format!("{},cause=\"declared\"", v.labels), v.counters.declared_downtime_seconds);
            }
        });
    }),
    family("vendord_vendor_uptime_ratio", "gauge", "vendor, window", "Uptime from stored history; absent where nothing is known.", |p| {
        p.vendors(|p, v| {
            for (days, ratio) in UPTIME_DAYS.iter().zip(p.figures.uptime.get(&v.id).into_iter().flatten()) {
                if let Some(ratio) = ratio {
                    p.series(&format!("{},window=\"{days}d\"", v.labels), *ratio);
                }
            }
        });
    }),
    family("vendord_outages_total", "counter", "vendor, blame", "Outages that began since the daemon started, by blame.", |p| {
        p.vendors(|p, v| p.series(&format!("{},blame=\"inconclusive\"", v.labels), v.counters.outages as f64));
    }),
    family(
        "vendord_vendor_acknowledgement_lag_seconds",
        "gauge",
        "vendor",
        "From our first failing run to the vendor's first post, of the last outage that it spoke of; negative: it posted first. Absent when none.",
        |p| {
            p.vendors(|p, v| {
                if let Some(lag) = p.figures.acknowledgement_lag.get(&v.id) {
                    p.series(&v.labels, *lag);
                }
            });
        },
    ),
    full(
        "vendord_component_status_level",
        "gauge",
        "vendor, component",
        "Status of a watched component, same scale (watch_components = true).",
        |p| {
            p.pages(|p, _, page| {
                for c in &page.components {
                    let believed = page.reads.is_believed(p.now);
                    p.series(&c.labels, if believed { f64::from(c.status.level()) } else { 0.0 });
                }
            });
        },
    ),
    family(
        "vendord_incidents_open",
        "gauge",
        "vendor, impact",
        "Open vendor incidents that touch what we use; unstated impact counts as minor.",
        |p| p.by_impact(|page| page.open),
    ),
    family("vendord_incidents_opened_total", "counter", "vendor, impact", "Incidents first seen since the daemon started.", |p| {
        p.by_impact(|page| page.opened);
    }),
    family(
        "vendord_incident_time_to_resolve_seconds",
        "gauge",
        "vendor, window",
        "Mean time from start to end of the incidents that ended in the window; absent when none did.",
        |p| {
            p.vendors(|p, v| {
                for (days, mean) in UPTIME_DAYS.iter().zip(p.figures.time_to_resolve.get(&v.id).into_iter().flatten()) {
                    if let Some(mean) = mean {
                        p.series(&format!("{},window=\"{days}d\"", v.labels), *mean);
                    }
                }
            });
        },
    ),
    family(
        "vendord_incident_oldest_open_timestamp_seconds",
        "gauge",
        "vendor",
        "Start of the oldest open incident; absent when none.",
        |p| p.earliest(|page| page.oldest_open.into_iter().collect()),
    ),
    family(
        "vendord_maintenance_next_start_timestamp_seconds",
        "gauge",
        "vendor",
        "Start of the next announced maintenance; absent when none.",
        |p| {
            let now = p.now;
            p.earliest(move |page| page.announced.iter().map(|work| work.starts_at).filter(|start| *start > now).collect());
        },
    ),
    family("vendord_source_up", "gauge", "vendor, source, format", "Whether the status source was read and understood last time.", |p| {
        p.pages(|p, _, page| {
            p.series(&page.labels_format, f64::from(u8::from(page.reads.failing_since.is_none() && page.reads.last_success_at.is_some())))
        });
    }),
    family("vendord_source_state", "gauge", "vendor, source, state", "ok, stale or broken; exactly one is 1.", |p| {
        p.pages(|p, _, page| {
            let now = page.reads.condition(p.now);
            for state in SourceCondition::ALL {
                p.series(&format!("{},state=\"{}\"", page.labels, state.as_str()), f64::from(u8::from(state == now)));
            }
        });
    }),
    family("vendord_source_last_success_timestamp_seconds", "gauge", "vendor, source, format", "Last successful read.", |p| {
        p.pages(|p, _, page| {
            if let Some(at) = page.reads.last_success_at {
                p.series(&page.labels_format, at.as_seconds());
            }
        });
    }),
    family("vendord_check_success", "gauge", "vendor, check, kind", "1 when the last run was up or degraded, else 0.", |p| {
        p.checks(|p, c| {
            if let Some(last) = c.state.last {
                p.series(&c.labels_kind, f64::from(u8::from(matches!(last.outcome, Outcome::Up | Outcome::Degraded))));
            }
        });
    }),
    family("vendord_check_state_level", "gauge", "vendor, check, kind", "The confirmed state: 0 unknown, 1 up, 3 degraded, 5 down.", |p| {
        p.checks(|p, c| p.series(&c.labels_kind, f64::from(c.state.state_at(p.now).level())));
    }),
    family("vendord_check_last_duration_seconds", "gauge", "vendor, check, kind", "Duration of the last run.", |p| {
        p.checks(|p, c| {
            if let Some(last) = c.state.last {
                p.series(&c.labels_kind, last.duration.as_secs_f64());
            }
        });
    }),
    full("vendord_check_phase_duration_seconds", "gauge", "vendor, check, phase", "Phases of the last run.", |p| {
        p.checks(|p, c| {
            for (name, micros) in Phases::NAMES.iter().zip(c.phases.values()) {
                if let Some(micros) = micros {
                    p.labelled(&c.labels, "phase", name, f64::from(micros) / 1e6);
                }
            }
        });
    }),
    family("vendord_check_runs_total", "counter", "vendor, check, kind", "Runs finished.", |p| {
        p.checks(|p, c| p.counted(c, c.runs));
    }),
    family("vendord_check_failures_total", "counter", "vendor, check, kind", "Runs that were neither up nor degraded.", |p| {
        p.checks(|p, c| p.counted(c, c.failures));
    }),
    full(
        "vendord_check_failures_by_reason_total",
        "counter",
        "vendor, check, kind, reason",
        "Runs that were neither up nor degraded, by reason.",
        |p| {
            p.checks(|p, c| {
                for (reason, count) in &c.by_reason {
                    p.labelled(&c.labels_kind, "reason", reason.as_str(), *count as f64);
                }
            });
        },
    ),
    family("vendord_check_last_run_timestamp_seconds", "gauge", "vendor, check, kind", "When the last run finished.", |p| {
        p.checks(|p, c| {
            if let Some(last) = c.state.last {
                p.series(&c.labels_kind, (last.at + last.duration).as_seconds());
            }
        });
    }),
    family(
        "vendord_check_interval_seconds",
        "gauge",
        "vendor, check, kind",
        "Configured interval; absent while the check is paused.",
        |p| {
            p.checks(|p, c| {
                if !c.is_paused {
                    p.series(&c.labels_kind, c.interval.as_secs_f64());
                }
            });
        },
    ),
    family("vendord_check_http_status_code", "gauge", "vendor, check", "Last HTTP status, 0 when none.", |p| {
        p.checks(|p, c| {
            if c.is_http && c.state.last.is_some() {
                p.series(&c.labels, f64::from(c.http_status));
            }
        });
    }),
    family(
        "vendord_check_connection_reused",
        "gauge",
        "vendor, check",
        "Checks with reuse = true: 1 when the last run went over the connection of the run before, and measured warm latency.",
        |p| {
            p.checks(|p, c| {
                if let Some(reused) = c.reused {
                    p.series(&c.labels, f64::from(u8::from(reused)));
                }
            });
        },
    ),
    family(
        "vendord_check_tls_not_after_timestamp_seconds",
        "gauge",
        "vendor, check, kind",
        "Earliest expiry in the verified chain; of the leaf where verification failed. For kind domain the end of the registration.",
        |p| {
            p.checks(|p, c| {
                if let Some(at) = c.not_after {
                    p.series(&c.labels_kind, at.as_seconds());
                }
            });
        },
    ),
    family("vendord_alerts_firing", "gauge", "severity", "Alerts vendord itself holds firing.", |p| {
        for (severity, count) in ["critical", "warning", "info"].iter().zip(p.figures.alerts_firing) {
            p.series(&format!("severity=\"{severity}\""), count as f64);
        }
    }),
    family("vendord_deliveries_pending", "gauge", "receiver, kind", "Deliveries that wait.", |p| {
        for w in &p.figures.waiting {
            p.series(&w.labels, w.pending as f64);
        }
    }),
    family(
        "vendord_deliveries_oldest_pending_timestamp_seconds",
        "gauge",
        "receiver, kind",
        "Since when the oldest delivery is due; absent when none.",
        |p| {
            for w in &p.figures.waiting {
                if let Some(due) = w.oldest_due {
                    p.series(&w.labels, due.as_seconds());
                }
            }
        },
    ),
];

const fn family(name: &'static str, kind: &'static str, labels: &'static str, help: &'static str, write: fn(&mut Page)) -> Family {
    Family { name, kind, labels, help, full: false, write }
}

const fn full(name: &'static str, kind: &'static str, labels: &'static str, help: &'static str, write: fn(&mut Page)) -> Family {
    Family { name, kind, labels, help, full: true, write }
}

/// The page comes in pieces of about this size: small enough that the allocator keeps them at hand, and that a page of 10 MB
/// is never in memory as a whole.
const PIECE_BYTES: usize = 32 * 1024;
/// What is written into a piece after it was found to be short enough: one line.
const LINE_BYTES: usize = 2 * 1024;

/// A family while it is written.
struct Page<'a> {
    done: Vec<String>,
    out: String,
    name: &'static str,
    figures: &'a Figures,
    now: Timestamp,
}

impl<'a> Page<'a> {
    fn series(&mut self, labels: &str, value: f64) {
        let out = &mut self.out;
        [self.name, "{", labels, "} "].iter().for_each(|part| out.push_str(part));
        number(out, value);
        out.push('\n');
        self.cut();
    }

    fn cut(&mut self) {
        if self.out.len() >= PIECE_BYTES {
            self.done.push(std::mem::replace(&mut self.out, String::with_capacity(PIECE_BYTES + LINE_BYTES)));
        }
    }

    /// As [`Page::series`], with one label more, which needs no escaping.
    fn labelled(&mut self, labels: &str, name: &str, label: &str, value: f64) {
        let out = &mut self.out;
        [self.name, "{", labels, ",", name, "=\"", label, "\"} "].iter().for_each(|part| out.push_str(part));
        number(out, value);
        out.push('\n');
        self.cut();
    }

    fn vendors(&mut self, write: impl Fn(&mut Self, &'a VendorFigures)) {
        let figures = self.figures;
        figures.vendors.iter().for_each(|v| write(self, v));
    }

    fn pages(&mut self, write: impl Fn(&mut Self, &'a VendorFigures, &'a PageFigures)) {
        self.vendors(|p, v| v.pages.iter().for_each(|page| write(p, v, page)));
    }

    /// Numbers by impact, over all pages of a vendor.
    fn by_impact(&mut self, number: impl Fn(&PageFigures) -> [u64; 4]) {
        self.vendors(|p, v| {
            for (place, impact) in Impact::ALL.iter().enumerate().filter(|_| !v.pages.is_empty()) {
                let sum: u64 = v.pages.iter().map(|page| number(page)[place]).sum();
                p.series(&format!("{},impact=\"{impact}\"", v.labels), sum as f64);
            }
        });
    }

    /// The earliest instant over all pages of a vendor.
    fn earliest(&mut self, instants: impl Fn(&PageFigures) -> Vec<Timestamp>) {
        self.vendors(|p, v| {
            if let Some(at) = v.pages.iter().flat_map(&instants).min() {
                p.series(&v.labels, at.as_seconds());
            }
        });
    }

    fn checks(&mut self, write: impl Fn(&mut Self, &'a CheckFigures)) {
        let figures = self.figures;
        figures.vendors.iter().flat_map(|v| &v.checks).for_each(|c| write(self, c));
    }

    /// A counter of a check, from its first run on.
    fn counted(&mut self, check: &CheckFigures, count: u64) {
        if check.state.last.is_some() {
            self.series(&check.labels_kind, count as f64);
        }
    }
}

/// Most values are whole numbers, and a page has a hundred thousand: `Display` of floats would take half of its time.
fn number(out: &mut String, value: f64) {
    const WHOLE_BELOW: f64 = 1e15;
    if value.fract() == 0.0 && value.abs() < WHOLE_BELOW {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        out.push_str(zmij::Buffer::new().format(value));
    }
}

/// The families of this file as text, in pieces; each family is written when its first piece is asked for.
pub fn render(figures: Figures, style: Style, now: Timestamp) -> impl Iterator<Item = String> + Send + 'static {
    let families = FAMILIES.iter().filter(move |f| style.full || !f.full);
    families.flat_map(move |family| family.text(&figures, style, now))
}

impl Family {
    /// Nothing, not even its name, if it has no series.
    fn text(&self, figures: &Figures, style: Style, now: Timestamp) -> Vec<String> {
        let mut page = Page { done: Vec::new(), out: String::with_capacity(PIECE_BYTES + LINE_BYTES), name: self.name, figures, now };
        // OpenMetrics names a counter's family without `_total`.
        let name = if style.open_metrics && self.kind == "counter" { self.name.trim_end_matches("_total") } else { self.name };
        let _ = write!(page.out, "# HELP {name} {}\n# TYPE {name} {}\n", self.help, self.kind);
        let header_ends = page.out.len();
        (self.write)(&mut page);
        if page.done.is_empty() && page.out.len() == header_ends {
            return Vec::new();
        }
        page.done.push(page.out);
        page.done
    }
}

/// Own counters come from a library that writes text format 0.0.4: the same in the words of OpenMetrics.
pub fn to_open_metrics(text: &str) -> String {
    let counters: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                let _ = writeln!(out, "# {what} {} {rest}", name.trim_end_matches("_total"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}
