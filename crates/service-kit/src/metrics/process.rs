//! Statistics of this process, with the names of Prometheus's client libraries.

use std::{
    fmt::Error,
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::time::{ClockId, clock_gettime};

/// Reads the statistics at each scrape. A statistic that cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process {
    /// Seconds since the Unix epoch at which the registry was made, shortly after the start of the process.
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let spent = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
        let seconds = encoder.encode_descriptor(
            "process_cpu_seconds",
            "Processor time spent, user and system",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(spent.as_secs_f64()).encode(seconds)?;
        let mut gauge = |name, help, value: Option<f64>| match value {
            Some(value) => ConstGauge::new(value).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Gauge,
            )?),
            None => Ok(()),
        };
        gauge(
            "process_start_time_seconds",
            "Start of the process, since the Unix epoch",
            Some(self.started),
        )?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = of_status(&status, "VmRSS:");
        gauge("process_resident_memory_bytes", "Memory in use", resident.and_then(bytes))?;
        gauge("process_threads", "Threads", of_status(&status, "Threads:").and_then(number))?;
        gauge("process_open_fds", "File descriptors in use", open_files())?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let files_max = of_status(&limits, "Max open files");
        gauge("process_max_fds", "Limit of open file descriptors", files_max.and_then(number))
    }
}

/// The text after `name` in a file of lines.
fn of_status<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The first number of a text.
fn number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Parses `n kB` as bytes.
#[expect(clippy::float_arithmetic, reason = "a power of two changes no digit")]
fn bytes(text: &str) -> Option<f64> {
    let kibibytes: u32 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the directory itself.
    u32::try_from(count.saturating_sub(1)).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_statistics_are_available() {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(Process::new()));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_start_time_seconds",
            "process_resident_memory_bytes",
            "process_threads",
            "process_open_fds",
            "process_max_fds",
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            assert!(value.trim().parse::<f64>().unwrap() > 0.0, "{name}{value}");
        }
    }
}
