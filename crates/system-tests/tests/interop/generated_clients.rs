//! Clients that public generators make of the committed OpenAPI document, each compiled and used.
//!
//! Each client places, reads and lists an order of 1,234,567.89, which no 32-bit float holds, with the price as a
//! string and as a number, and decodes the problem of a declined order.

use std::{fs, path::Path, time::Duration};

use all_in_one::{Options, System};
use test_support::{Failed, Need, Trial, check, output_within, program, succeed, texts, trial};
use tokio::process::Command;

use crate::paths::{interop, openapi_document, python};

/// The first build compiles Go's standard library.
const GO_BUILD_MAX: Duration = Duration::from_secs(600);
/// The module of `client.go`. The generated package imports one module, which no package registry has: a stub
/// replaces it. It validates formats, which are not tested here.
const GO_MODULE: &str = "module client\n\ngo 1.23\n\nrequire gopkg.in/validator.v2 v2.0.1\n\n\
    replace gopkg.in/validator.v2 => ./validator\n";
const VALIDATOR_MODULE: &str = "module gopkg.in/validator.v2\n";
const VALIDATOR: &str = "package validator\n\nfunc Validate(interface{}) error { return nil }\n";

const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "target": "ES2022", "module": "NodeNext", "lib": ["ES2022", "DOM", "DOM.Iterable"], "types": [],
    "strict": true, "noUncheckedIndexedAccess": true
  },
  "files": ["client.ts"]
}"#;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "generated_clients::python_places_and_reads_exact_orders",
            &[Need::OpenapiPythonClient],
            in_python,
        ),
        trial(
            "generated_clients::typescript_places_and_reads_exact_orders",
            &[Need::Typescript, Need::OpenapiTypescript],
            in_typescript,
        ),
        trial(
            "generated_clients::go_places_and_reads_exact_orders",
            &[Need::OpenapiGenerator, Need::Go],
            in_go,
        ),
    ]
}

async fn in_python() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let package = directory.path().join("orders_client");
    let mut generator = Command::new("openapi-python-client");
    generator.current_dir(directory.path()).args(["generate", "--meta", "none", "--fail-on-warning"]);
    generator.arg("--path").arg(openapi_document()).arg("--output-path").arg(&package);
    succeed(&mut generator).await?;
    let mut client = python("generated_clients/client.py");
    client.env("PYTHONPATH", directory.path());
    run(client).await
}

async fn in_typescript() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    // The packages beside the generator, of which the client imports openapi-fetch.
    let generator = fs::canonicalize(program(&["openapi-typescript"])?)?;
    let packages = generator.ancestors().find(|folder| folder.ends_with("node_modules"));
    std::os::unix::fs::symlink(packages.ok_or("no node_modules")?, path.join("node_modules"))?;
    fs::write(path.join("package.json"), r#"{ "private": true, "type": "module" }"#)?;
    fs::write(path.join("tsconfig.json"), TSCONFIG)?;
    fs::copy(interop("generated_clients/client.ts"), path.join("client.ts"))?;
    let types = path.join("orders.d.ts");
    succeed(Command::new(generator).arg(openapi_document()).arg("--output").arg(types)).await?;
    succeed(Command::new("tsc").current_dir(path)).await?;
    let mut client = Command::new("node");
    client.arg(path.join("client.js"));
    run(client).await
}

async fn in_go() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    let mut generator = Command::new("openapi-generator-cli");
    generator.args(["generate", "--generator-name", "go", "--input-spec"]).arg(openapi_document());
    generator.args(["--additional-properties", "packageName=orders,withGoMod=false"]);
    succeed(generator.arg("--output").arg(path.join("orders"))).await?;
    let files: [(&Path, &str); 3] = [
        (Path::new("go.mod"), GO_MODULE),
        (Path::new("validator/go.mod"), VALIDATOR_MODULE),
        (Path::new("validator/validator.go"), VALIDATOR),
    ];
    fs::create_dir(path.join("validator"))?;
    for (name, text) in files {
        fs::write(path.join(name), text)?;
    }
    fs::copy(interop("generated_clients/client.go"), path.join("client.go"))?;
    let mut build = Command::new("go");
    // Nothing is downloaded, and no C compiler is needed.
    build.envs([("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("CGO_ENABLED", "0")]);
    build.current_dir(path).args(["build", "-o", "program", "."]);
    let output = output_within(GO_BUILD_MAX, &mut build).await?;
    check(output.status.success(), || texts(&output).1)?;
    run(Command::new(path.join("program"))).await
}

/// Runs a client with the URL of a gateway as its last argument.
async fn run(mut client: Command) -> Result<(), Failed> {
    // Above the order, below the order and the one that is declined.
    let limits = "USD:2000000,EUR:2000000";
    let system = System::start_with(Options::default().var("PAYMENT_CREDIT_LIMITS", limits)).await?;
    let output = succeed(client.arg(system.gateway_url())).await;
    system.stop().await?;
    output.map(drop)
}
