//! Compares the committed code and descriptor set of the health service with what its `.proto` file
//! generates.

use std::{error::Error, fs, path::Path};

use prost::Message;

const FILES: [&str; 2] = ["grpc.health.v1.rs", "health.binpb"];

fn generate(out: &Path) -> Result<(), Box<dyn Error>> {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("protos");
    let compiled = protox::compile(["grpc/health/v1/health.proto"], [&protos])?;
    // Without comments: reflection does not need them.
    let mut bare = compiled.clone();
    bare.file.iter_mut().for_each(|file| file.source_code_info = None);
    fs::write(out.join("health.binpb"), bare.encode_to_vec())?;
    tonic_prost_build::configure().build_client(false).out_dir(out).compile_fds(compiled)?;
    Ok(())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that turns the comparison into an update")]
fn generated_files_are_current() -> Result<(), Box<dyn Error>> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/grpc/health/generated");
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
        assert!(have == want, "{file} is stale: run UPDATE_GENERATED=1 cargo test -p service-kit");
    }
    Ok(())
}
