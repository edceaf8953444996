//! What the sources of each room may name.

use super::{
    File, Offence,
    code::{Token, blanked, tokens},
};

/// Crates of the edges, and what belongs to them (`tonic` stands for `tonic_types` too).
const EDGES: [&str; 7] = ["tonic", "prost", "sqlx", "axum", "serde", "proto", "chassis"];

/// The decisions of a service name neither the wire nor the database that they are carried by.
pub(super) fn the_core_names_no_edge(files: &[File]) -> Vec<Offence> {
    let foreign = |word: &str| {
        let family = |edge: &&str| {
            word.strip_prefix(*edge).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        EDGES.iter().find(|edge| family(edge)).copied().or((word == "adapters").then_some("adapters"))
    };
    let core = files.iter().filter(|file| is_core(&file.path));
    each_token(core, |tokens, at| {
        let word = tokens[at].text;
        foreign(word).map(|edge| format!("`{word}`: the core names nothing of {edge}"))
    })
}

fn is_core(path: &str) -> bool {
    let within =
        |room: &str| path.strip_prefix(room).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
    let services = ["order", "payment"];
    let rooms = ["domain", "ports", "application"];
    path.starts_with("money/src/")
        || services.iter().any(|service| rooms.iter().any(|room| within(&format!("{service}/src/{room}"))))
}

/// A service's `config` alone reads variables, from a map that `main` takes from the process once.
pub(super) fn the_environment_is_read_by_config(files: &[File]) -> Vec<Offence> {
    each_file_token(files, |file, tokens, at| {
        let path = file.path.as_str();
        let after = |before: &[&str]| ends_with(&tokens[..at], before);
        let allowed = match tokens[at].text {
            "set_var" | "remove_var" => false,
            "var" | "vars" | "var_os" | "vars_os" if after(&["env", "::"]) => {
                path == "chassis/src/env.rs" || path == "trials/src/need.rs" || is_test(path)
            }
            "from_default_env" | "try_from_default_env" => false,
            "from_process" => path == "chassis/src/env.rs" || is_program(path),
            "new" if after(&["Reader", "::"]) => {
                path.starts_with("chassis/src/") || is_config(path) || is_test(path)
            }
            _ => true,
        };
        (!allowed).then(|| {
            format!("`{}`: the environment is read by config alone, written by nobody", tokens[at].text)
        })
    })
}

fn is_config(path: &str) -> bool {
    path.ends_with("/config.rs") || path.contains("/config/")
}

fn is_program(path: &str) -> bool {
    path.ends_with("/src/main.rs") || path == "stack/src/cli.rs"
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

/// No path leads from the public to Payment, not even in the gateway's code.
pub(super) fn the_gateway_knows_no_payment(files: &[File]) -> Vec<Offence> {
    let gateway = files.iter().filter(|file| file.path.starts_with("gateway/"));
    each_token(gateway, |tokens, at| {
        let word = tokens[at].text;
        let named = match word {
            "payment" => leads_to(tokens, at, "proto"),
            _ => ["payment_client", "payment_server", "PaymentClient", "PAYMENT_DESCRIPTOR_SET"]
                .contains(&word),
        };
        named.then(|| format!("`{word}`: the gateway has no way to Payment"))
    })
}

/// Whether the word at `at` is a member of the module `root`: `root::word`, or within `root::{…}`.
fn leads_to(tokens: &[Token<'_>], at: usize, root: &str) -> bool {
    let mut before = &tokens[..at];
    let mut depth = 0_usize;
    while let Some((last, rest)) = before.split_last() {
        match last.text {
            ";" => return false,
            "}" => depth += 1,
            "{" => depth = depth.saturating_sub(1),
            _ if depth == 0 && ends_with(before, &[root, "::"]) => return true,
            _ => {}
        }
        before = rest;
    }
    false
}

fn ends_with(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && tokens[tokens.len() - words.len()..].iter().zip(words).all(|(token, word)| token.text == *word)
}

fn each_token<'a>(
    files: impl IntoIterator<Item = &'a File>,
    judge: impl Fn(&[Token<'_>], usize) -> Option<String>,
) -> Vec<Offence> {
    each_file_token(files, |_, tokens, at| judge(tokens, at))
}

/// The offences that `judge` finds, asked about every word of every file.
fn each_file_token<'a>(
    files: impl IntoIterator<Item = &'a File>,
    judge: impl Fn(&File, &[Token<'_>], usize) -> Option<String>,
) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in files {
        let code = blanked(&file.text);
        let tokens = tokens(&code);
        for (at, token) in tokens.iter().enumerate() {
            offences.extend(judge(file, &tokens, at).map(|what| Offence::at(file, token.line, what)));
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::{super::planted, *};

    #[test]
    fn a_forbidden_import_in_a_core_is_named() {
        for (path, line) in [
            ("order/src/domain.rs", "use tonic::Status;"),
            ("order/src/domain/order.rs", "fn f(s: tonic_types::StatusExt) {}"),
            ("order/src/ports.rs", "use proto::order::OrderItem;"),
            ("order/src/application/place.rs", "use sqlx as sql;"),
            ("payment/src/application.rs", "use {std::fmt, crate::adapters::db};"),
            ("payment/src/domain.rs", "#[derive(serde::Serialize)] struct S;"),
            ("payment/src/ports/accounts.rs", "pub use ::prost_types as types;"),
            ("payment/src/ports.rs", "chassis::ids::mint();"),
            ("money/src/amount.rs", "use serde_json::Number;"),
            ("money/src/lib.rs", "use axum::Router;"),
        ] {
            let found = planted(the_core_names_no_edge, path, &format!("//! A sentence.\n\n{line}\n"));
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{path}:3: ")),
                "{path}: {line}: {found:?}"
            );
        }
    }

    #[test]
    fn what_a_core_says_in_words_is_free_and_so_are_the_edges() {
        let words = "//! Never names tonic.\nconst S: &str = \"sqlx\"; // serde\nuse prototype::tonics;\n";
        assert!(planted(the_core_names_no_edge, "order/src/domain.rs", words).is_empty());
        let import = "use sqlx::Any;";
        for path in
            ["order/src/adapters/db.rs", "order/src/lib.rs", "order/src/domains.rs", "gateway/src/domain.rs"]
        {
            assert!(planted(the_core_names_no_edge, path, import).is_empty(), "{path}");
        }
    }

    #[test]
    fn reading_the_environment_outside_config_is_named() {
        for (path, line) in [
            ("order/src/lib.rs", "let url = std::env::var(\"X\");"),
            ("gateway/src/main.rs", "use std::env::vars_os;"),
            ("order/src/config.rs", "Vars::from_process()"),
            ("stack/src/lib.rs", "Vars::from_process()"),
            ("gateway/src/routes.rs", "let reader = Reader::new(&vars);"),
            ("order/tests/it/main.rs", "std::env::set_var(\"X\", \"1\");"),
            ("chassis/src/env.rs", "std::env::remove_var(\"X\");"),
            ("chassis/src/telemetry.rs", "EnvFilter::from_default_env()"),
        ] {
            let found = planted(the_environment_is_read_by_config, path, &format!("\n{line}"));
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{path}:2: ")),
                "{path}: {line}: {found:?}"
            );
        }
    }

    #[test]
    fn config_and_main_read_the_environment() {
        for (path, line) in [
            ("chassis/src/env.rs", "std::env::vars_os()"),
            ("order/src/main.rs", "Vars::from_process()"),
            ("stack/src/cli.rs", "Vars::from_process()"),
            ("gateway/src/config.rs", "Reader::new(vars)"),
            ("trials/src/need.rs", "std::env::var(\"REQUIRE\")"),
            ("order/src/lib.rs", "BufReader::new(file); env!(\"X\"); let var = 1;"),
        ] {
            let found = planted(the_environment_is_read_by_config, path, line);
            assert!(found.is_empty(), "{path}: {line}: {found:?}");
        }
    }

    #[test]
    fn payments_stub_in_the_gateway_is_named() {
        for line in [
            "use proto::payment::GetPaymentRequest;",
            "use proto::{order::OrderItem, payment};",
            "use proto::{order::{OrderItem, OrderStatus}, payment::x};",
            "let client = stub::PaymentClient::new(channel);",
        ] {
            let found = planted(the_gateway_knows_no_payment, "gateway/src/orders.rs", line);
            assert!(
                found.len() == 1 && found[0].starts_with("gateway/src/orders.rs:1: "),
                "{line}: {found:?}"
            );
        }
    }

    #[test]
    fn the_word_payment_is_free() {
        for (path, line) in [
            ("gateway/src/orders.rs", "use proto::{order}; let payment = 1;"),
            ("gateway/src/orders.rs", "use proto::order::OrderItem; // not proto::payment\nf(\"payment\");"),
            ("order/src/adapters/payment.rs", "use proto::payment::CreatePaymentRequest;"),
        ] {
            assert!(planted(the_gateway_knows_no_payment, path, line).is_empty(), "{path}: {line}");
        }
    }
}
