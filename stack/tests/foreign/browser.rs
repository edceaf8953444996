//! The documentation page in a real browser.
//!
//! `SCREENSHOT=docs/swagger-ui.png cargo test -p stack --test foreign swagger` writes the README's picture.

use libtest_mimic::{Failed, Trial};
use stack::Stack;

use crate::{
    tool::Tool,
    trial::{python, succeed, trial, workspace},
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("swagger_ui_places_an_order_in_chromium", &[Tool::Chromium], swagger_ui)]
}

async fn swagger_ui() -> Result<(), Failed> {
    let stack = Stack::start().await?;
    let mut script = python("swagger_ui.py");
    // From the root, which SCREENSHOT is relative to.
    script.current_dir(workspace()).arg(stack.gateway_url());
    let ended = succeed(&mut script).await;
    stack.stop().await?;
    ended.map(drop)
}
