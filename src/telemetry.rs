//! The daemon's own counters and histograms, in a registry of the `prometheus` crate. Series of vendors and checks are
//! not here: they are written from the snapshot (`web::metrics`).

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Desc;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// From a local connect to the 15 s deadline of a delivery.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
/// The schedule is good to a millisecond; minutes are a daemon that starves.
const LAG_SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];

/// One family of the registry, for the page and for its table in the documentation.
#[derive(Clone, Debug)]
pub struct Family {
    pub name: String,
    pub kind: &'static str,
    pub labels: String,
    pub help: String,
}

/// A handle: cloning it for each run of a check costs a count.
#[derive(Clone)]
pub struct Telemetry(Arc<Series>);

/// What is counted.
pub struct Series {
    registry: Registry,
    /// Every family that can appear, also those that have no series yet.
    pub families: Vec<Family>,
    pub check_duration: HistogramVec,
    pub scheduler_lag: Histogram,
    pub runs_skipped: IntCounter,
    pub checks_in_flight: IntGauge,
    pub delivery_attempts: IntCounterVec,
    pub delivery_attempts_failed: IntCounterVec,
    pub delivery_attempt_duration: HistogramVec,
    pub deliveries_dead: IntCounterVec,
    pub store_duration: HistogramVec,
    pub store_errors: IntCounterVec,
    pub store_up: IntGauge,
    pub store_size: IntGauge,
    pub results_dropped: IntCounter,
    pub probe_panics: IntCounter,
    pub reload_successful: IntGauge,
    pub reload_success_at: Gauge,
    pub source_fetches: IntCounterVec,
    pub source_failures: IntCounterVec,
    pub source_not_modified: IntCounterVec,
    pub http_requests: IntCounterVec,
    pub http_duration: HistogramVec,
}

impl Deref for Telemetry {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        let maker = Maker { registry: Registry::new(), families: RefCell::default() };
        let series = Series {
            check_duration: maker.histograms("vendord_check_duration_seconds", "All runs by kind.", &["kind"], SECONDS),
            scheduler_lag: maker.histogram("vendord_scheduler_lag_seconds", "Planned to actual start.", LAG_SECONDS),
            runs_skipped: maker.counter("vendord_scheduler_runs_skipped_total", "Runs skipped because the one before still ran or waited."),
            checks_in_flight: maker.gauge("vendord_checks_in_flight", "Checks running now."),
            delivery_attempts: maker.counters("vendord_delivery_attempts_total", "Attempts finished.", &["receiver", "kind"]),
            delivery_attempts_failed: maker.counters(
                "vendord_delivery_attempts_failed_total",
                "Attempts failed.",
                &["receiver", "kind", "reason"],
            ),
            delivery_attempt_duration: maker.histograms(
                "vendord_delivery_attempt_duration_seconds",
                "Duration of an attempt.",
                &["kind"],
                SECONDS,
            ),
            deliveries_dead: maker.counters("vendord_deliveries_dead_total", "Deliveries given up.", &["receiver", "kind", "reason"]),
            store_duration: maker.histograms(
                "vendord_store_operation_duration_seconds",
                "Duration of store operations.",
                &["operation"],
                SECONDS,
            ),
            store_errors: maker.counters("vendord_store_operation_errors_total", "Store operations that failed.", &["operation"]),
            store_up: maker.gauge("vendord_store_up", "0 while results wait in memory because the store refuses them."),
            store_size: maker.gauge("vendord_store_size_bytes", "Size on disk including the write-ahead log."),
            results_dropped: maker.counter("vendord_results_dropped_total", "Results lost because the store refused them for too long."),
            probe_panics: maker
                .counter("vendord_probe_panics_total", "Probes that ended in a panic; each is an unknown(internal) observation."),
            reload_successful: maker
                .gauge("vendord_config_last_reload_successful", "Whether the last configuration reload attempt was successful."),
            reload_success_at: maker.float_gauge(
                "vendord_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
            source_fetches: maker.counters("vendord_source_fetches_total", "Reads of a status page.", &["vendor", "source"]),
            source_failures: maker.counters(
                "vendord_source_fetch_failures_total",
                "Reads of a status page that failed, by reason.",
                &["vendor", "source", "reason"],
            ),
            source_not_modified: maker.counters(
                "vendord_source_not_modified_total",
                "Reads of a status page that said what it said before (304, or the same body).",
                &["vendor", "source"],
            ),
            http_requests: maker.counters("vendord_http_requests_total", "Requests to vendord's own pages.", &["handler", "code"]),
            http_duration: maker.histograms(
                "vendord_http_request_duration_seconds",
                "Duration of requests to vendord's own pages.",
                &["handler"],
                SECONDS,
            ),
            families: maker.families.into_inner(),
            registry: maker.registry,
        };
        #[cfg(target_os = "linux")]
        let _ = series.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()));
        series.store_up.set(1);
        series.reload_successful.set(1);
        Telemetry(Arc::new(series))
    }
}

impl Series {
    /// Appends everything in text format 0.0.4.
    pub fn render(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail, and the names are ours.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), out) {
            tracing::error!(%error, "cannot encode own metrics");
        }
    }

    pub fn store_operation(&self, operation: &str, took: Duration, failed: bool) {
        self.store_duration.with_label_values(&[operation]).observe(took.as_secs_f64());
        if failed {
            self.store_errors.with_label_values(&[operation]).inc();
        }
    }
}

/// Names and labels are constants of this file, so what they make is valid and registered once.
struct Maker {
    registry: Registry,
    families: RefCell<Vec<Family>>,
}

impl Maker {
    fn add<T: prometheus::core::Collector + Clone + 'static>(&self, kind: &'static str, made: prometheus::Result<T>) -> T {
        let made = made.expect("a metric of this file is well formed");
        self.registry.register(Box::new(made.clone())).expect("a metric of this file is registered once");
        let family = |d: &&Desc| Family { name: d.fq_name.clone(), kind, labels: d.variable_labels.join(", "), help: d.help.clone() };
        self.families.borrow_mut().extend(made.desc().iter().map(family));
        made
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add("counter", IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add("counter", IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add("gauge", IntGauge::new(name, help))
    }

    fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.add("gauge", Gauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.add("histogram", Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.add("histogram", HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }
}
