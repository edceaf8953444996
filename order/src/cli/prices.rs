//! `order prices`: loads and shows the price list.

use std::{fs::File, path::PathBuf, process::ExitCode};

use clap::Subcommand;
use database::Database;
use service_kit::{
    env::Vars,
    process::{self, EXIT_CONFIGURATION},
};

use crate::{
    adapters::{
        db::{DbPrices, MIGRATIONS, Prices},
        price_file,
    },
    domain::ProductCode,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Load prices from a CSV file with the columns product_code, currency and unit_price: all of them or
    /// none.
    Load {
        /// The file, in UTF-8, with a header line.
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
        /// Replace the whole list by the file; without this, prices that the file does not name stay.
        #[arg(long)]
        replace: bool,
    },
    /// Print the list as such a file.
    Show {
        /// Only the prices of this product.
        #[arg(long, value_name = "CODE", value_parser = product)]
        product: Option<ProductCode>,
    },
}

enum Action {
    Load { prices: Prices, replace: bool },
    Show { product: Option<ProductCode> },
}

/// Runs `command` as the whole process.
pub(super) fn run(command: Command, vars: &Vars) -> ExitCode {
    let action = match command {
        Command::Show { product } => Action::Show { product },
        Command::Load { file, replace } => {
            let prices = File::open(&file)
                .map_err(|error| error.to_string())
                .and_then(|opened| price_file::read(opened).map_err(|faults| faults.to_string()));
            match prices {
                Ok(prices) => Action::Load { prices, replace },
                Err(why) => {
                    let line = format!("{} was not loaded: {why}", file.display());
                    return process::fail(EXIT_CONFIGURATION, &line);
                }
            }
        }
    };
    let config = database::Config::read_for_command(vars);
    process::run_once(vars, config, |config| execute(config, action))
}

async fn execute(config: database::Config, action: Action) -> Result<String, String> {
    let opened = Database::open_existing(&config, &MIGRATIONS).await;
    let database = opened.map_err(|error| error.to_string())?;
    let list = DbPrices::new(database.clone());
    let output = match action {
        Action::Load { prices, replace } => {
            let count = prices.len();
            let how =
                if replace { "are now the price list of" } else { "were loaded into the price list of" };
            let loaded = list.load(prices, replace).await;
            loaded
                .map(|()| format!("{count} prices {how} {}", config.url))
                .map_err(|error| format!("the prices are not known to be loaded: {error}"))
        }
        Action::Show { product } => match list.all(product.clone()).await {
            Ok(prices) => match product.filter(|_| prices.is_empty()) {
                Some(product) => Err(format!("{:?} has no price", product.as_str())),
                None => price_file::write(&prices),
            },
            Err(error) => Err(format!("the price list could not be read: {error}")),
        },
    };
    database.close().await;
    output
}

fn product(text: &str) -> Result<ProductCode, &'static str> {
    ProductCode::new(text.to_owned()).ok_or(price_file::PRODUCT_CODE_ACCEPTED)
}
