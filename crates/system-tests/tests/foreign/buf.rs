//! The contracts judged by `buf`, and the same exchanges spoken by `buf curl` (a client in Go).

use std::{fs, net::SocketAddr, path::Path};

use all_in_one::System;
use serde_json::{Value, json};
use test_support::{Failed, Need, Trial, check, output, succeed, texts, trial};
use tokio::process::Command;

use crate::tree::workspace;

/// What `buf` ends with where it found something to complain about.
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
        trial("buf_breaking_finds_a_planted_break", needs, a_planted_break_is_found),
        trial("buf_curl_orders_and_is_declined", needs, orders),
        trial("buf_curl_pays", needs, pays),
    ]
}

const BREAKING: [&str; 4] = ["breaking", "protos", "--against", "baseline"];

fn buf(directory: &Path) -> Command {
    let mut command = Command::new("buf");
    command.current_dir(directory);
    command
}

async fn a_planted_break_is_found() -> Result<(), Failed> {
    let copy = tempfile::tempdir()?;
    copy_directory(&workspace().join("proto"), copy.path())?;
    let contract = copy.path().join("protos/order.proto");
    let text = fs::read_to_string(&contract)?;
    let broken = text.replace("int32 quantity = 3;", "int32 quantity = 4;");
    check(broken != text, || "the field to be changed is not there".to_owned())?;
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

async fn orders() -> Result<(), Failed> {
    let system = System::start().await?;
    let address = system.order_address();
    let order = |price: f64| {
        let item = json!({"product_code": "sku1", "unit_price": price, "quantity": 1});
        json!({"user_id": 123, "order_items": [item]})
    };
    let answer = curl(address, "grpc-v1", "Order/Create", &order(0.12)).await?.map_err(unexpected)?;
    let saved = curl(address, "grpc-v1alpha", "Order/Get", &json!({"order_id": answer["orderId"]})).await?;
    let saved = saved.map_err(unexpected)?;
    check(saved["total"] == json!({"currencyCode": "USD", "nanos": 120_000_000}), || saved.to_string())?;

    let refusal = curl(address, "grpc-v1", "Order/Create", &order(1000.01)).await?.err().unwrap_or_default();
    check(refusal["code"] == "invalid_argument", || refusal.to_string())?;
    check(refusal["message"] == "order creation failed", || refusal.to_string())?;
    let detail = |name: &str| {
        let details = refusal["details"].as_array().into_iter().flatten();
        details.into_iter().find(|detail| detail["type"] == name).map(|detail| detail["value"].clone())
    };
    let holds = detail("google.rpc.BadRequest") == Some(json!(INSUFFICIENT_BALANCE));
    check(holds && detail("google.rpc.ErrorInfo").is_some(), || refusal.to_string())?;
    system.stop().await?;
    Ok(())
}

async fn pays() -> Result<(), Failed> {
    let system = System::start().await?;
    let charge = json!({"user_id": 123, "order_id": 12, "total_price": 32});
    let first =
        curl(system.payment_address(), "grpc-v1", "Payment/Create", &charge).await?.map_err(unexpected)?;
    let again =
        curl(system.payment_address(), "grpc-v1", "Payment/Create", &charge).await?.map_err(unexpected)?;
    check(first["paymentId"].is_string() && first == again, || format!("{first}\n{again}"))?;
    system.stop().await?;
    Ok(())
}

/// The answer of one call, or the refusal, as `buf curl` prints them, with descriptors by reflection.
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
        .map_err(|error| format!("{error} in what buf curl printed: {printed}"))?;
    Ok(if output.status.success() { Ok(value) } else { Err(value) })
}

fn unexpected(refusal: Value) -> Failed {
    format!("refused: {refusal}").into()
}
