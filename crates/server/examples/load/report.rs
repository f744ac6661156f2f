//! What was measured, as one line of JSON.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Value, json};

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) calls: u64,
    /// Answered with another status than 200.
    pub(crate) refused: u64,
    /// Connections that broke, and answers that never came.
    pub(crate) errors: u64,
    pub(crate) events: u64,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) first_bytes: Vec<Duration>,
    pub(crate) event_delays: Vec<Duration>,
}

pub(crate) fn print(report: &Report) -> io::Result<()> {
    let line = json!({
        "seconds": report.seconds,
        "calls": report.calls,
        "refused": report.refused,
        "errors": report.errors,
        "events": report.events,
        "latency_us": percentiles(&report.latencies),
        "first_byte_us": percentiles(&report.first_bytes),
        "event_delay_us": percentiles(&report.event_delays),
    });
    writeln!(io::stdout(), "{line}")
}

fn percentiles(times: &[Duration]) -> Value {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| {
        let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted
            .get(place)
            .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    };
    json!({"p50": at(50), "p90": at(90), "p99": at(99)})
}
