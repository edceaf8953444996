//! How a trial runs: its needs first, then on a runtime of its own.

use std::future::Future;

use libtest_mimic::{Completion, Failed, Trial};

use crate::Need;

/// A trial of `body` that is ignored where one of `needs` is not met and need not be.
pub fn trial<F>(name: &str, needs: &[Need], body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    let needs = needs.to_vec();
    Trial::ignorable_test(name, move || {
        for need in needs {
            if let Some(reason) = need.look_for()? {
                return Ok(Completion::ignored_with(reason));
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(body()).map(|()| Completion::Completed)
    })
}

/// Fails with `why` unless `holds`.
///
/// # Errors
///
/// Says `why`.
pub fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}
