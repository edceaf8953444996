//! Combinations of variables, and the faults of invalid ones.

use std::fs;

use service_kit::env::{EnvErrors, Vars};
use tempfile::TempDir;

use super::*;

const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const LONG: &str = "0123456789abcdef0123456789abcdef";
const RULES: [(&str, &str); 2] = [("AUTH_ISSUER", "https://issuer.example"), ("AUTH_AUDIENCE", "orders")];

fn read_in(mode: Mode, vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
    let vars: Vars = vars.iter().copied().collect();
    let mut reader = Reader::new(&vars, &[VARIABLES]);
    let config = Config::read(&mut reader, Some(mode));
    reader.finish(config)
}

fn read(vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
    read_in(Mode::Production, &[vars, &RULES].concat())
}

fn fault(vars: &[(&str, &str)]) -> String {
    read(vars).unwrap_err().to_string()
}

#[test]
fn production_requires_keys_or_an_opt_out() {
    let errors = read_in(Mode::Production, &[]).unwrap_err().to_string();
    assert!(errors.starts_with("AUTH_JWKS_URL environment variable is missing: "), "{errors}");
    assert!(errors.lines().count() == 1 && errors.contains("AUTH=none"), "{errors}");
    let opted_out = read_in(Mode::Production, &[("AUTH", "none")]).unwrap();
    assert!(opted_out.opted_out && opted_out.jwt.is_none());
    let development = read_in(Mode::Development, &[]).unwrap();
    assert!(!development.opted_out && development.jwt.is_none());
    assert!(read_in(Mode::Development, &[("AUTH", "none")]).unwrap().opted_out);
}

#[test]
fn each_kind_of_keys_is_accepted() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("keys.json");
    fs::write(&file, KEYS).unwrap();
    for (name, value) in [
        ("AUTH_JWKS_FILE", file.to_str().unwrap()),
        ("AUTH_JWKS_URL", "http://127.0.0.1:1/keys"),
        ("AUTH_JWKS_URL", "https://issuer.example/keys?v=1"),
        ("AUTH_HS256_SECRET", LONG),
    ] {
        let config = read(&[(name, value)]).unwrap();
        assert!(config.jwt.is_some() && !config.opted_out, "{name}");
        assert!(
            !format!("{config:?}").contains("v=1") && !format!("{config:?}").contains(LONG),
            "{config:?}"
        );
    }
    let both =
        read(&[("AUTH_JWKS_URL", "https://issuer.example/keys"), ("AUTH_HS256_SECRET", LONG)]).unwrap();
    let jwt = both.jwt.unwrap();
    assert!(jwt.key_set.is_some() && jwt.secret.is_some());
}

#[test]
fn contradicting_variables_are_faults() {
    let (url, secret) = (("AUTH_JWKS_URL", "https://issuer.example/keys"), ("AUTH_HS256_SECRET", LONG));
    for (vars, name) in [
        (&[("AUTH", "none"), url][..], "AUTH "),
        (&[("AUTH", "none")], "AUTH "),
        (&[("AUTH", "some")], "AUTH "),
        (&[url, ("AUTH_JWKS_FILE", "keys.json")], "AUTH_JWKS_FILE "),
        (&[secret, ("AUTH_HS256_SECRET_FILE", "secret")], "AUTH_HS256_SECRET_FILE "),
        (&[secret, ("AUTH_JWKS_CA_FILE", "ca.pem")], "AUTH_JWKS_CA_FILE "),
        (
            &[("AUTH_JWKS_URL", "http://127.0.0.1/keys"), ("AUTH_JWKS_CA_FILE", "ca.pem")],
            "AUTH_JWKS_CA_FILE ",
        ),
        (&[], "AUTH_JWKS_URL "),
    ] {
        assert!(fault(vars).starts_with(name), "{vars:?}: {}", fault(vars));
    }
    let incomplete = read_in(Mode::Development, &[secret]).unwrap_err().to_string();
    let named: Vec<&str> = incomplete.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(named, ["AUTH_ISSUER", "AUTH_AUDIENCE"]);
    for single in [RULES[0], RULES[1], ("AUTH_LEEWAY_SECONDS", "1")] {
        assert!(read_in(Mode::Development, &[single]).unwrap_err().to_string().starts_with("AUTH_JWKS_URL "));
    }
}

#[test]
fn values_out_of_bounds_are_faults_and_no_secret_is_shown() {
    for bad in ["-1", "61", "1.5", "30s"] {
        let errors = fault(&[("AUTH_HS256_SECRET", LONG), ("AUTH_LEEWAY_SECONDS", bad)]);
        assert!(errors.contains("AUTH_LEEWAY_SECONDS") && errors.contains("from 0 to 60"), "{errors}");
    }
    for valid in ["0", "60"] {
        assert!(read(&[("AUTH_HS256_SECRET", LONG), ("AUTH_LEEWAY_SECONDS", valid)]).is_ok());
    }
    let errors = fault(&[("AUTH_HS256_SECRET", &LONG[1..])]);
    assert!(errors.contains("32 to 1024 bytes") && !errors.contains(&LONG[1..]), "{errors}");
    for bad in [
        "issuer.example/keys",
        "ftp://issuer.example",
        "https://",
        "https://a:b@issuer.example",
        "https://a#b",
    ] {
        let errors = fault(&[("AUTH_JWKS_URL", bad)]);
        assert!(errors.starts_with("AUTH_JWKS_URL ") && !errors.contains("a:b"), "{errors}");
    }
}

#[test]
fn plain_text_key_urls_are_loopback_only() {
    assert!(fault(&[("AUTH_JWKS_URL", "http://issuer.example/keys")]).starts_with("AUTH_JWKS_URL "));
    for host in ["127.0.0.1:8", "localhost", "[::1]:8"] {
        assert!(read(&[("AUTH_JWKS_URL", &format!("http://{host}/keys"))]).is_ok(), "{host}");
    }
    // TLS=none does not change that, nor does development.
    let vars = [&[("AUTH_JWKS_URL", "http://issuer.example/keys"), ("TLS", "none")][..], &RULES].concat();
    for mode in [Mode::Development, Mode::Production] {
        assert!(read_in(mode, &vars).unwrap_err().to_string().starts_with("AUTH_JWKS_URL "));
    }
}

#[test]
fn files_are_read_at_start_and_their_faults_name_the_variable() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    for (kind, good) in
        [("unix", format!("{LONG}\n")), ("dos", format!("{LONG}\r\n")), ("bare", LONG.to_owned())]
    {
        assert!(read(&[("AUTH_HS256_SECRET_FILE", &file(kind, &good))]).is_ok(), "{kind}");
    }
    for (name, path) in [
        ("AUTH_HS256_SECRET_FILE", file("short", &format!("{}\n", &LONG[1..]))),
        ("AUTH_HS256_SECRET_FILE", file("long", &"x".repeat(5000))),
        ("AUTH_HS256_SECRET_FILE", "/nowhere/at/all".to_owned()),
        ("AUTH_JWKS_FILE", "/nowhere/at/all".to_owned()),
        ("AUTH_JWKS_FILE", file("empty.json", "{\"keys\":[]}")),
        ("AUTH_JWKS_FILE", file("huge.json", &" ".repeat(300_000))),
    ] {
        let errors = fault(&[(name, &path)]);
        // The content of a secret's file is not shown; whether the file exists is no secret.
        let shown = errors.contains(&path) || errors.contains("a value that is not shown; accepted: 32 to ");
        assert!(errors.starts_with(name) && shown, "{errors}");
        assert!(!errors.contains(&LONG[1..]));
    }
    let ca = file("ca.pem", "no certificate");
    let errors = fault(&[("AUTH_JWKS_URL", "https://issuer.example/keys"), ("AUTH_JWKS_CA_FILE", &ca)]);
    assert!(errors.starts_with("AUTH_JWKS_CA_FILE ") && errors.contains(&ca), "{errors}");
}
