//! The pages for people in a real browser.
//!
//! `SCREENSHOT=docs/swagger-ui.png PROBLEM_SCREENSHOT=docs/problem-page.png cargo test -p system-tests --test foreign swagger`
//! writes the README's pictures.

use all_in_one::{Options, System};
use test_support::{Failed, Need, Trial, succeed, trial};

use crate::{
    tokens::{demanded, token},
    tree::{python, workspace},
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("swagger_ui_places_an_order_in_chromium", &[Need::Chromium], swagger_ui)]
}

async fn swagger_ui() -> Result<(), Failed> {
    let system = System::start_with(demanded(Options::default())).await?;
    let mut script = python("swagger_ui.py");
    // From the root, which the pictures are relative to.
    script.current_dir(workspace()).arg(system.gateway_url()).env("TOKEN", token());
    let ended = succeed(&mut script).await;
    system.stop().await?;
    ended.map(drop)
}
