//! The version of this build.

use std::sync::LazyLock;

/// The commit of the build: the variable `GIT_COMMIT` at compile time.
const COMMIT: Option<&str> = option_env!("GIT_COMMIT");

/// The version of the workspace and the commit of the build: `0.1.0 (1f2e3d4)`.
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

/// The build of an image without a commit sets the variable to the empty text.
fn known(commit: Option<&str>) -> Option<&str> {
    commit.filter(|commit| !commit.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_the_commit_where_it_is_known() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(of(Some("1f2e3d4")), format!("{version} (1f2e3d4)"));
        for unknown in [None, Some("")] {
            assert_eq!(of(unknown), format!("{version} (unknown commit)"));
        }
    }
}
