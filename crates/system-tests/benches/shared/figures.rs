//! What every bench needs: a way to fail, and the median.

use std::error::Error;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Whether this is a bench's turn: `cargo test --benches` runs benches too, and a word on the command line
/// tells them apart.
pub(crate) fn asked_for() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The figure in the middle.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
