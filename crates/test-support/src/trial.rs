//! Trials: checks their requirements, then runs each on its own runtime.

use std::future::Future;

use libtest_mimic::{Completion, Failed, Trial};

use crate::Need;

/// A trial of `body` on a multi-threaded runtime. Ignored if one of `needs` is missing, unless `REQUIRE`
/// names it.
pub fn trial<F>(name: &str, needs: &[Need], body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    let needs = needs.to_vec();
    Trial::ignorable_test(name, move || {
        for need in needs {
            if let Some(reason) = need.missing_reason()? {
                return Ok(Completion::ignored_with(reason));
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(body()).map(|()| Completion::Completed)
    })
}

/// A trial without needs that fails by a panic, on a single-threaded runtime as under `#[tokio::test]`.
///
/// `path` is the path of the test function; its name is used without the name of the crate.
pub fn test<F>(path: &str, body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    Trial::test(without_crate(path), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(body());
        Ok(())
    })
}

/// As [`test()`], on a multi-threaded runtime.
pub fn multi_thread_test<F>(path: &str, body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    trial(without_crate(path), &[], || async {
        body().await;
        Ok(())
    })
}

fn without_crate(path: &str) -> &str {
    path.split_once("::").map_or(path, |(_, name)| name)
}

/// Trials of these `async fn()`s of the calling module: [`test()`] for each, or with `multi_thread;` in front
/// [`multi_thread_test`].
#[macro_export]
macro_rules! tests {
    (multi_thread; $($name:ident),* $(,)?) => {
        [$($crate::multi_thread_test(concat!(module_path!(), "::", stringify!($name)), $name)),*]
    };
    ($($name:ident),* $(,)?) => {
        [$($crate::test(concat!(module_path!(), "::", stringify!($name)), $name)),*]
    };
}

/// Returns an error with the message `why()` unless `holds`.
///
/// # Errors
///
/// If `holds` is false.
pub fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}
