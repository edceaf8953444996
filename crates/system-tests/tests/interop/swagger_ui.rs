//! The HTML pages in a real browser.
//!
//! `SCREENSHOT=docs/swagger-ui.png PROBLEM_SCREENSHOT=docs/problem-page.png cargo test -p system-tests --test
//! interop swagger` writes the screenshots of the documentation.

use all_in_one::{Options, System};
use test_support::{Failed, Need, Trial, succeed, trial};

use crate::{
    access_token::{required, token},
    paths::{python, workspace},
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("swagger_ui_places_an_order_in_chromium", &[Need::Chromium], swagger_ui)]
}

async fn swagger_ui() -> Result<(), Failed> {
    let system = System::start_with(required(Options::default())).await?;
    let mut script = python("swagger_ui.py");
    // The paths of the screenshots are relative to the workspace.
    script.current_dir(workspace()).arg(system.gateway_url()).env("TOKEN", token());
    let output = succeed(&mut script).await;
    system.stop().await?;
    output.map(drop)
}
