//! The error type of benches, and the median.

use std::error::Error;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Whether `cargo bench` runs this program. `cargo test --benches` runs it too, without `--bench`.
pub(crate) fn is_bench_run() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
