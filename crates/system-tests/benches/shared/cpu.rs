//! The processor time and the memory of a process, from /proc.

use std::fs;

use crate::figures::Failure;

/// `USER_HZ`, 100 on all supported machines.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of `process`, in seconds.
pub(crate) fn seconds(process: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// `VmRSS` or `VmHWM` of `process`, in MiB.
#[allow(dead_code, reason = "some benches do not use it")]
pub(crate) fn memory(process: u32, name: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    let kib: f64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?;
    Ok(kib / 1024.0)
}
