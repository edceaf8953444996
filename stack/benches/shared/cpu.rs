//! The processor time of a process, as Linux counts it.

use std::fs;

use crate::figures::Failure;

/// Clock ticks a second, as Linux counts a process's time on every machine that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that `process` has used, of user and system.
pub(crate) fn seconds(process: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / TICKS_PER_SECOND)
}
