//! Every process's own matters: its version, how busy its runtime is, its limit of open files.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{Counter, IntGauge, IntGaugeVec};
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::metrics;

static BUILD_INFO: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "1, with the version, the revision it was built from (TIDINGS_REVISION at its build), and the role.";
    metrics::gauges("tidings_build_info", help, &["version", "revision", "role"])
});
static WORKERS: LazyLock<IntGauge> =
    LazyLock::new(|| metrics::gauge("tidings_runtime_workers", "Threads that run the process's tasks."));
static BUSY: LazyLock<Counter> = LazyLock::new(|| {
    let help = "How long the threads that run tasks were busy, in all, seconds. Its rate divided by their number is saturation.";
    metrics::float_counter("tidings_runtime_busy_seconds_total", help)
});
static TASKS: LazyLock<IntGauge> = LazyLock::new(|| metrics::gauge("tidings_runtime_tasks", "Tasks that are alive."));
static QUEUED: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Tasks that are able to go on and wait for a thread, of those that no thread has yet.";
    metrics::gauge("tidings_runtime_queued_tasks", help)
});

/// The revision that the program was built from.
#[must_use]
pub fn revision() -> &'static str {
    option_env!("TIDINGS_REVISION").unwrap_or("unknown")
}

/// Says what process this is, and begins to watch its runtime.
pub fn describe(role: &str) {
    metrics::register();
    BUILD_INFO
        .with_label_values(&[env!("CARGO_PKG_VERSION"), revision(), role])
        .set(1);
    let runtime = Handle::current().metrics();
    metrics::before_reading(move || {
        look(&runtime);
        true
    });
}

fn look(runtime: &RuntimeMetrics) {
    WORKERS.set(runtime.num_workers() as i64);
    TASKS.set(runtime.num_alive_tasks() as i64);
    QUEUED.set(runtime.global_queue_depth() as i64);
    let busy: Duration = (0..runtime.num_workers())
        .map(|worker| runtime.worker_total_busy_duration(worker))
        .sum();
    BUSY.inc_by((busy.as_secs_f64() - BUSY.get()).max(0.0));
}

/// Raises the soft limit of open files to the hard one. Every connection is an open file, and the usual soft limit of 1,024
/// is meant for programs with few. Where it can't be raised, the limit stays as it is.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Makes the metrics of this part.
pub(crate) fn register() {
    LazyLock::force(&BUILD_INFO);
    LazyLock::force(&WORKERS);
    LazyLock::force(&BUSY);
    LazyLock::force(&TASKS);
    LazyLock::force(&QUEUED);
}
