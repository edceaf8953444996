//! Import cycles: no two modules of a parent import each other, directly or through their siblings.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, assert_none, files, source::paths};

type Module = Vec<String>;

/// The crate's `src` directory and the module that the file holds; `None` outside of `src` and for tests.
fn module_of(path: &str) -> Option<(String, Module)> {
    let (root, inside) = path.split_once("/src/")?;
    let mut module: Module = inside.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "tests") {
        return None;
    }
    if module.len() == 1 && ["lib", "main"].contains(&module[0].as_str()) {
        module.clear();
    }
    Some((root.to_owned(), module))
}

/// Makes a path of `module` absolute: without `crate`, `self` and `super`; `None` for a path of another
/// crate.
fn absolute(path: &[String], module: &Module, children: &BTreeSet<Module>) -> Option<Module> {
    let mut base = module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (base, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|segment| segment == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let child = [module.as_slice(), &[first.to_owned()]].concat();
            if !children.contains(&child) {
                return None;
            }
        }
    }
    Some([base.as_slice(), rest].concat())
}

/// The cycles of one crate, a line each.
fn cycles(sources: &[(Module, &str)]) -> Vec<String> {
    let modules: BTreeSet<Module> = sources.iter().map(|(module, _)| module.clone()).collect();
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    // What a module re-exports from a child, so that `super::Name` is an import of the child that defines it.
    let mut reexports: BTreeMap<Module, Module> = BTreeMap::new();
    let mut imports: Vec<(&Module, Module)> = Vec::new();
    for (module, text) in sources {
        for path in paths(text) {
            let Some(target) = absolute(&path.segments, module, &modules) else { continue };
            if let Some(name) = target.last()
                && target.len() > module.len() + 1
                && target.starts_with(module)
            {
                reexports.insert([module.as_slice(), std::slice::from_ref(name)].concat(), target.clone());
            }
            imports.push((module, target));
        }
    }
    for (module, mut target) in imports {
        while let Some(defined) = reexports.get(&target) {
            target.clone_from(defined);
        }
        let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
        if common < module.len()
            && modules.contains(&target[..(common + 1).min(target.len())])
            && common < target.len()
        {
            edges.entry(module[..=common].to_vec()).or_default().insert(target[..=common].to_vec());
        }
    }
    edges.keys().filter_map(|start| cycle_through(start, &edges)).collect()
}

/// The shortest cycle that begins and ends at `start`.
fn cycle_through(start: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> Option<String> {
    let mut queue: Vec<Vec<&Module>> = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !queue.is_empty() {
        for walk in std::mem::take(&mut queue) {
            for next in edges.get(*walk.last()?).into_iter().flatten() {
                let longer = [walk.as_slice(), &[next]].concat();
                if next == start {
                    return Some(
                        longer.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(" -> "),
                    );
                }
                if seen.insert(next) {
                    queue.push(longer);
                }
            }
        }
    }
    None
}

#[test]
fn modules_of_a_crate_form_no_import_cycle() {
    let sources = files(".rs");
    let mut crates: BTreeMap<String, Vec<(Module, &str)>> = BTreeMap::new();
    for File { path, text } in &sources {
        if let Some((root, module)) = module_of(path) {
            crates.entry(root).or_default().push((module, text));
        }
    }
    let found = crates
        .iter()
        .flat_map(|(root, sources)| cycles(sources).into_iter().map(move |cycle| format!("{root}: {cycle}")));
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn planted_cycles_are_found() {
    let module =
        |path: &str| path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect::<Module>();
    let found = |sources: &[(&str, &'static str)]| {
        cycles(&sources.iter().map(|(path, text)| (module(path), *text)).collect::<Vec<_>>())
    };
    let chain = [("a", "use crate::b::B;"), ("b", "fn f() { crate::c::g(); }"), ("c", "// crate::a")];
    assert!(found(&chain).is_empty());
    let circle = [chain[0], chain[1], ("c", "use crate::a::A;")];
    assert_eq!(found(&circle)[0], "a -> b -> c -> a");
    let nested = [("a", "pub use x::X;"), ("a::x", "use super::y::Y;"), ("a::y", "use super::X;")];
    assert_eq!(found(&nested)[0], "a::x -> a::y -> a::x");
}
