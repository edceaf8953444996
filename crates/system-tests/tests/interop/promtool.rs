//! The metrics of each service, checked by Prometheus's linter.

use std::process::Stdio;

use all_in_one::{Options, System};
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use test_support::{Failed, Need, Trial, check, succeed, texts, trial, workspace_root};
use tokio::{io::AsyncWriteExt, process::Command};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("promtool_accepts_the_metrics_of_every_service", &[Need::Promtool], promtool),
        trial("alerts_fire_and_end_as_documented", &[Need::Promtool], alerts),
    ]
}

async fn promtool() -> Result<(), Failed> {
    let collector = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    // Nothing listens there; with a collector, the metrics of the exporter are registered, too.
    let options = Options::default().var("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
    let system = System::start_with(options).await.map_err(|error| error.to_string())?;
    let url = format!("{}/orders", system.gateway_url());
    // One paid and one declined order.
    for price in ["0.12", "99999"] {
        let body = format!(
            r#"{{"user_id":1,"order_items":[{{"product_code":"a","unit_price":{price},"quantity":1}}]}}"#
        );
        let request = Request::post(&url).header(header::CONTENT_TYPE, "application/json");
        Client::builder(TokioExecutor::new()).build_http().request(request.body(body)?).await?;
    }
    for (name, admin) in [
        ("gateway", system.gateway_admin()),
        ("order", system.order_admin()),
        ("payment", system.payment_admin()),
    ] {
        let page = get(format!("http://{admin}/metrics").parse()?).await?;
        let is_of_service = page.contains(&format!("build_info{{service=\"{name}\""));
        check(is_of_service && page.contains("process_cpu_seconds_total "), || format!("{name}: {page}"))?;
        lint(name, &page).await?;
    }
    Ok(())
}

async fn alerts() -> Result<(), Failed> {
    let tests = workspace_root().join("deploy/observability/alerts.test.yaml");
    succeed(Command::new("promtool").args(["test", "rules"]).arg(tests)).await.map(drop)
}

async fn get(uri: Uri) -> Result<String, Failed> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<&[u8]>>();
    let body = client.get(uri).await?.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.into())?)
}

async fn lint(name: &str, page: &str) -> Result<(), Failed> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(page.as_bytes()).await?;
    let output = child.wait_with_output().await?;
    let (stdout, stderr) = texts(&output);
    let no_findings = stdout.trim().is_empty() && stderr.trim().is_empty();
    check(output.status.success() && no_findings, || format!("{name}: {stdout}{stderr}\n{page}"))
}
