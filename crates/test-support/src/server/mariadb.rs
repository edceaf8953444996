//! The commands that create, run and query a MariaDB server in a directory of its own.

use std::path::Path;

use libtest_mimic::Failed;
use tokio::process::Command;

use super::{PASSWORD, is_root};
use crate::{command::succeed, need::program};

/// The init file: sets root's password for the socket and TCP. MariaDB requires one statement per line.
const ACCOUNTS: &str = "\
ALTER USER root@localhost IDENTIFIED BY 'verysecretpass';
CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'verysecretpass';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
";

/// The option that makes root run the server as the user `mysql`.
pub(super) const AS_MYSQL: &str = "--user=mysql";

/// Creates an empty data directory in `directory`.
pub(super) async fn create(directory: &Path) -> Result<(), Failed> {
    std::fs::write(directory.join("accounts.sql"), ACCOUNTS)?;
    let mut install = Command::new(program(&["mariadb-install-db"])?);
    install.arg("--no-defaults").arg(format!("--datadir={}", directory.join("data").display()));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.arg(tmpdir(directory)).arg("--innodb-log-file-size=32M").args(is_root().then_some("--user=root"));
    succeed(&mut install).await.map(drop)
}

/// The command that runs the server in `directory`.
pub(super) fn server(directory: &Path, port: u16) -> Result<Vec<String>, Failed> {
    let path = |option: &str, name: &str| format!("--{option}={}", directory.join(name).display());
    let mut command = vec![program(&["mariadbd", "mysqld"])?];
    // mariadbd requires --user if root runs it; for other users it only logs a warning.
    command.extend(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"].map(str::to_owned));
    command.push(format!("--port={port}"));
    command.extend([path("datadir", "data"), path("socket", "socket"), path("pid-file", "pid")]);
    command.extend([path("init-file", "accounts.sql"), tmpdir(directory)]);
    command.extend(["--innodb-flush-log-at-trx-commit=1", "--skip-log-bin"].map(str::to_owned));
    command.extend(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"].map(str::to_owned));
    command.extend(["--performance-schema=OFF", "--max-connections=300"].map(str::to_owned));
    command.extend(["--skip-name-resolve", "--character-set-server=utf8mb4"].map(str::to_owned));
    Ok(command)
}

/// The option for a tmpdir of its own: a starting server deletes the temporary tables in its tmpdir, in /tmp
/// also those of other servers.
fn tmpdir(directory: &Path) -> String {
    format!("--tmpdir={}", directory.display())
}

/// The client, connected as root; reads a script from standard input.
pub(super) fn client(directory: &Path, database: &str) -> Result<Command, Failed> {
    let mut client = Command::new(program(&["mariadb"])?);
    client.args(["--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"]);
    client.arg(format!("--socket={}", directory.join("socket").display()));
    client.args(["--user=root", &format!("--password={PASSWORD}")]);
    client.args((!database.is_empty()).then_some(database));
    Ok(client)
}
