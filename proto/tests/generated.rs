//! Compares the committed code and descriptor sets with what the `.proto` files generate.

use std::{error::Error, fs, path::Path};

use prost::Message;

const FILES: [&str; 5] = ["order/_.rs", "payment/_.rs", "google.r#type.rs", "order.binpb", "payment.binpb"];

/// Generates the layout of `src/generated` into `out`: each file without a package in its own directory,
/// since both would be called `_.rs`.
fn generate(out: &Path) -> Result<(), Box<dyn Error>> {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("protos");
    for service in ["order", "payment"] {
        let compiled = protox::compile([format!("{service}.proto")], [&protos])?;
        // Without comments: reflection does not need them.
        let mut bare = compiled.clone();
        bare.file.iter_mut().for_each(|file| file.source_code_info = None);
        fs::write(out.join(format!("{service}.binpb")), bare.encode_to_vec())?;
        let directory = out.join(service);
        fs::create_dir_all(&directory)?;
        tonic_prost_build::configure()
            .out_dir(&directory)
            .extern_path(".google.type", "crate::google_type")
            .compile_fds(compiled)?;
    }
    let money = protox::compile(["google/type/money.proto"], [&protos])?;
    tonic_prost_build::configure().out_dir(out).compile_fds(money)?;
    Ok(())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that turns the comparison into an update")]
fn generated_files_are_current() -> Result<(), Box<dyn Error>> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let fresh = tempfile::tempdir()?;
    generate(fresh.path())?;
    let update = std::env::var("UPDATE_GENERATED").is_ok_and(|value| value == "1");
    for file in FILES {
        let want = fs::read(fresh.path().join(file))?;
        let path = committed.join(file);
        if update {
            fs::create_dir_all(path.parent().ok_or("a path without a directory")?)?;
            fs::write(&path, &want)?;
        }
        let have = fs::read(&path).unwrap_or_default();
        assert!(have == want, "{file} is stale: run UPDATE_GENERATED=1 cargo test -p proto");
    }
    Ok(())
}
