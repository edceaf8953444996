//! `buf`: its linters of the contracts, and `buf curl`, a gRPC client in Go that reads descriptors by
//! reflection.

use std::{fs, net::SocketAddr, path::Path};

use all_in_one::System;
use serde_json::{Value, json};
use test_support::{Failed, Need, Trial, check, output, succeed, texts, trial};
use tokio::process::Command;

use crate::paths::workspace;

/// The exit code of `buf` where a linter found something.
const EXIT_FOUND: i32 = 100;

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Buf];
    vec![
        trial("buf_lint_finds_nothing", needs, || async {
            succeed(buf(&workspace().join("proto")).arg("lint")).await.map(drop)
        }),
        trial("buf_breaking_finds_nothing", needs, || async {
            succeed(buf(&workspace().join("proto")).args(BREAKING)).await.map(drop)
        }),
        trial("buf_breaking_finds_a_planted_break", needs, planted_break),
        trial("buf_curl_places_an_order_and_is_declined", needs, place_orders),
        trial("buf_curl_charges_a_placed_order_once", needs, charge_again),
    ]
}

const BREAKING: [&str; 4] = ["breaking", "protos", "--against", "baseline"];

fn buf(directory: &Path) -> Command {
    let mut command = Command::new("buf");
    command.current_dir(directory);
    command
}

async fn planted_break() -> Result<(), Failed> {
    let copy = tempfile::tempdir()?;
    copy_directory(&workspace().join("proto"), copy.path())?;
    let contract = copy.path().join("protos/order.proto");
    let text = fs::read_to_string(&contract)?;
    let broken = text.replace("int32 quantity = 3;", "int32 quantity = 4;");
    check(broken != text, || "the contract lacks the field to change".to_owned())?;
    fs::write(&contract, broken)?;
    let output = output(buf(copy.path()).args(BREAKING)).await?;
    let (stdout, stderr) = texts(&output);
    check(output.status.code() == Some(EXIT_FOUND) && stdout.contains("quantity"), || {
        format!("{}\n{stdout}\n{stderr}", output.status)
    })
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_directory(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), &target)?),
        }
    }
    Ok(())
}

/// `google.rpc.BadRequest` with the one violation `payment: insufficient balance`, in base64.
const INSUFFICIENT_BALANCE: &str = "Ch8KB3BheW1lbnQSFGluc3VmZmljaWVudCBiYWxhbmNl";

fn order(price: f64) -> Value {
    let item = json!({"product_code": "sku1", "unit_price": price, "quantity": 1});
    json!({"user_id": 123, "order_items": [item]})
}

async fn place_orders() -> Result<(), Failed> {
    let system = System::start().await?;
    let address = system.order_address();
    let created = curl(address, "grpc-v1", "Order/Create", &order(0.12)).await?.map_err(unexpected)?;
    let id = json!({"order_id": created["orderId"]});
    let read = curl(address, "grpc-v1alpha", "Order/Get", &id).await?.map_err(unexpected)?;
    check(read["total"] == json!({"currencyCode": "USD", "nanos": 120_000_000}), || read.to_string())?;

    let status = curl(address, "grpc-v1", "Order/Create", &order(1000.01)).await?.err().unwrap_or_default();
    check(status["code"] == "invalid_argument", || status.to_string())?;
    check(status["message"] == "order creation failed", || status.to_string())?;
    let detail = |name: &str| {
        let details = status["details"].as_array().into_iter().flatten();
        details.into_iter().find(|detail| detail["type"] == name).map(|detail| detail["value"].clone())
    };
    let declined = detail("google.rpc.BadRequest") == Some(json!(INSUFFICIENT_BALANCE));
    check(declined && detail("google.rpc.ErrorInfo").is_some(), || status.to_string())?;
    system.stop().await?;
    Ok(())
}

/// The example of docs/api/grpc.md: Order creates the order, and Payment returns its charge. A charge of the
/// same order again changes nothing, so that the databases still agree.
async fn charge_again() -> Result<(), Failed> {
    let system = System::start().await?;
    let created =
        curl(system.order_address(), "grpc-v1", "Order/Create", &order(32.0)).await?.map_err(unexpected)?;
    let id = json!({"order_id": created["orderId"]});
    let payment = curl(system.payment_address(), "grpc-v1", "Payment/Get", &id).await?.map_err(unexpected)?;
    let charge = json!({"user_id": 123, "order_id": created["orderId"], "total_price": 32});
    let charged =
        curl(system.payment_address(), "grpc-v1", "Payment/Create", &charge).await?.map_err(unexpected)?;
    check(charged["paymentId"].is_string() && charged["paymentId"] == payment["paymentId"], || {
        format!("{payment}\n{charged}")
    })?;
    system.stop().await?;
    Ok(())
}

/// Calls `method`. Returns the response or the error as `buf curl` prints it.
async fn curl(
    address: SocketAddr,
    reflection: &str,
    method: &str,
    request: &Value,
) -> Result<Result<Value, Value>, Failed> {
    let (data, url) = (request.to_string(), format!("http://{address}/{method}"));
    let arguments = ["curl", "--protocol", "grpc", "--reflect-protocol", reflection, "--data", &data, &url];
    let output = output(Command::new("buf").args(arguments)).await?;
    let (stdout, stderr) = texts(&output);
    let printed = if output.status.success() { &stdout } else { &stderr };
    let value = serde_json::from_str(printed)
        .map_err(|error| format!("{error} in the output of buf curl: {printed}"))?;
    Ok(if output.status.success() { Ok(value) } else { Err(value) })
}

fn unexpected(error: Value) -> Failed {
    format!("the call failed: {error}").into()
}
