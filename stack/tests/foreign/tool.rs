//! The foreign tools: what they are called, whether they are here, whether they must be.

use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

/// A program or Python package that is not part of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The Python packages grpcio, grpcio-reflection, grpcio-health-checking and grpcio-status.
    Grpcio,
    /// `buf`, of the Python package buf-bin for instance.
    Buf,
    /// `redocly`, of the npm package @redocly/cli.
    Redocly,
    /// `openapi-spec-validator`, of the Python package of that name.
    OpenapiSpecValidator,
    /// `chromium` and `chromedriver`, driven by a Python script.
    Chromium,
}

impl Tool {
    const ALL: [Self; 5] =
        [Self::Grpcio, Self::Buf, Self::Redocly, Self::OpenapiSpecValidator, Self::Chromium];

    /// Its name in `REQUIRE`.
    fn name(self) -> &'static str {
        match self {
            Self::Grpcio => "grpcio",
            Self::Buf => "buf",
            Self::Redocly => "redocly",
            Self::OpenapiSpecValidator => "openapi-spec-validator",
            Self::Chromium => "chromium",
        }
    }

    /// Commands that all succeed where the tool is here.
    fn probes(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Grpcio => &[&[
                "python3",
                "-c",
                "import grpc, grpc_health.v1, grpc_reflection.v1alpha, grpc_status, google.rpc",
            ]],
            Self::Buf => &[&["buf", "--version"]],
            Self::Redocly => &[&["redocly", "--version"]],
            Self::OpenapiSpecValidator => &[&["openapi-spec-validator", "--version"]],
            Self::Chromium => {
                &[&["chromium", "--version"], &["chromedriver", "--version"], &["python3", "-V"]]
            }
        }
    }

    /// Whether the tool is here; if not, and it need not be, the reason to ignore the trial.
    ///
    /// # Errors
    ///
    /// Where it is not here and `REQUIRE` names it.
    pub(crate) fn look_for(self) -> Result<Option<String>, Failed> {
        let missing = self.probes().iter().find(|probe| !succeeds(probe));
        let Some(probe) = missing else { return Ok(None) };
        let reason = format!("{} is not installed: `{}` failed", self.name(), probe.join(" "));
        if required().iter().any(|name| name == self.name()) { Err(reason.into()) } else { Ok(Some(reason)) }
    }
}

fn succeeds(probe: &[&str]) -> bool {
    let mut command = Command::new(probe[0]);
    command.args(&probe[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The tools whose absence is a failure.
#[allow(clippy::disallowed_methods, reason = "a switch of the test itself, not configuration of a service")]
fn required() -> Vec<String> {
    let list = std::env::var("REQUIRE").unwrap_or_default();
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("require_names_no_unknown_tool", || {
        let unknown = required().into_iter().find(|name| Tool::ALL.iter().all(|tool| tool.name() != name));
        match unknown {
            Some(name) => {
                Err(format!("REQUIRE names {name}, which is none of {:?}", Tool::ALL.map(Tool::name)).into())
            }
            None => Ok(()),
        }
    })]
}
