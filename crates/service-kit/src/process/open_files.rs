//! The limit of open files and sockets.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard limit, as Go's runtime does. Shells and service managers
/// set the soft limit to 1,024 for programs that call `select`; a service holds more connections. An operator
/// lowers the hard limit.
pub fn raise_open_files_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_limit() {
        let before = getrlimit(Resource::Nofile);
        let mut less = before;
        less.current = before.maximum.map(|maximum| maximum.min(512));
        setrlimit(Resource::Nofile, less).unwrap();
        raise_open_files_limit();
        let after = getrlimit(Resource::Nofile);
        assert_eq!((after.current, after.maximum), (before.maximum, before.maximum));
    }
}
