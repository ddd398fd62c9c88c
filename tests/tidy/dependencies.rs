//! What the library stands on: old enough compilers, free licences, one source, one version each.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    process::Command,
};

use serde_json::Value;

use crate::source::{assert_none, workspace};

/// Licences under which a dependency may be used; one of a choice is enough.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
];

/// Crates that users get in two versions, with the reason.
const TWICE: &[(&str, &str)] = &[
    ("getrandom", "ring has not followed yet, which TLS needs"),
    ("hashbrown", "rusqlite has one; the other serves the macros and is in no binary"),
];

/// The normal dependencies of `kairo` with all its features on this platform, itself included.
fn dependencies() -> Vec<Value> {
    let metadata = metadata();
    let packages: HashMap<_, _> =
        list(&metadata["packages"]).iter().map(|package| (id(package), package)).collect();
    let nodes: HashMap<_, _> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (id(node), node)).collect();
    let kairo = packages.values().find(|package| package["name"] == "kairo");
    let mut waiting = vec![id(kairo.expect("kairo is a package"))];
    let mut seen = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        if seen.insert(next) {
            let uses = list(&nodes[next]["deps"]).iter().filter(|dependency| is_used(dependency));
            waiting.extend(uses.filter_map(|dependency| dependency["pkg"].as_str()));
        }
    }
    seen.iter().map(|id| packages[id].clone()).collect()
}

/// What cargo knows about the workspace, for the platform that the tests run on.
fn metadata() -> Value {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let arguments = ["metadata", "--format-version=1", "--all-features", "--locked"];
    let platform = ["--filter-platform", &host()];
    let output = Command::new(cargo)
        .args(arguments)
        .args(platform)
        .current_dir(workspace())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// The platform that the tests run on.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc names its host").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("packages and nodes have an id")
}

/// Whether a dependency is needed to build or run, and not for tests alone.
fn is_used(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev")
}

/// `name version`, for messages.
fn named(package: &Value) -> String {
    format!("{} {}", text(&package["name"]), text(&package["version"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `1.94` and `1.94.0` as numbers that can be compared.
fn release(version: &str) -> Vec<u32> {
    let mut parts: Vec<_> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    parts.resize(3, 0);
    parts
}

/// Whether an SPDX expression lets us choose an allowed licence.
fn is_free(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|name| LICENCES.contains(&name.trim())))
}

#[test]
fn no_dependency_needs_a_newer_compiler_than_we_promise() {
    let dependencies = dependencies();
    let own = dependencies.iter().find(|package| package["name"] == "kairo");
    let promised = text(&own.expect("kairo is among them")["rust_version"]);
    assert!(!promised.is_empty(), "kairo states a `rust-version`");
    let newer: Vec<_> = (dependencies.iter())
        .filter(|package| release(promised) < release(text(&package["rust_version"])))
        .map(|package| format!("{} needs {}", named(package), text(&package["rust_version"])))
        .collect();
    assert_none(&format!("dependencies compile with Rust {promised}"), &newer);
}

#[test]
fn every_dependency_has_a_free_licence() {
    let others: Vec<_> = (dependencies().iter())
        .filter(|package| !is_free(text(&package["license"])))
        .map(|package| format!("{}: `{}`", named(package), text(&package["license"])))
        .collect();
    assert_none("licences are those of `LICENCES`", &others);
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let is_own = |package: &Value| text(&package["name"]).starts_with("kairo");
    let others: Vec<_> = (dependencies().iter())
        .filter(|package| !is_own(package) && package["source"] != registry)
        .map(|package| format!("{}: {}", named(package), package["source"]))
        .collect();
    assert_none("dependencies come from crates.io", &others);
}

#[test]
fn no_dependency_is_there_twice() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in dependencies() {
        let version = text(&package["version"]).to_owned();
        versions.entry(text(&package["name"]).to_owned()).or_default().insert(version);
    }
    let is_listed = |name: &str| TWICE.iter().any(|(twice, _)| name == *twice);
    let twice: Vec<_> = (versions.iter())
        .filter(|(name, versions)| 1 < versions.len() && !is_listed(name))
        .map(|(name, versions)| format!("{name}: {versions:?}"))
        .collect();
    assert_none("a dependency has one version, or a reason in `TWICE`", &twice);
}

#[test]
fn a_choice_of_licences_is_enough_and_a_sum_is_not() {
    assert!(is_free("MIT OR GPL-3.0"));
    assert!(is_free("MIT/Apache-2.0"));
    assert!(is_free("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_free("MIT AND GPL-3.0"));
    assert!(!is_free(""));
}
