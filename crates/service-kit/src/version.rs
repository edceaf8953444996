//! Which build of the system this is.

use std::sync::LazyLock;

/// The commit that was built, where whoever built it said so by the variable `GIT_COMMIT` of the compiler.
const COMMIT: Option<&str> = option_env!("GIT_COMMIT");

/// The version of the workspace and the commit that was built: `0.1.0 (1f2e3d4)`.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| of(COMMIT));
    &VERSION
}

/// The commit alone, or `unknown`.
pub(crate) fn revision() -> &'static str {
    known(COMMIT).unwrap_or("unknown")
}

fn of(commit: Option<&str>) -> String {
    format!("{} ({})", env!("CARGO_PKG_VERSION"), known(commit).unwrap_or("unknown commit"))
}

/// An image that is built without it has an empty one.
fn known(commit: Option<&str>) -> Option<&str> {
    commit.filter(|commit| !commit.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_named_where_it_is_known() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(of(Some("1f2e3d4")), format!("{version} (1f2e3d4)"));
        for unknown in [None, Some("")] {
            assert_eq!(of(unknown), format!("{version} (unknown commit)"));
        }
    }
}
