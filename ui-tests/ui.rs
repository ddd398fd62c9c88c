//! Every mistake gets the message that is recorded beside it, and everything right compiles.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A message that says what is wrong must also say what to do; one of these words does.
const FIXES: &[&str] = &[
    "write",
    "add",
    "did you mean",
    "change",
    "use",
    "move",
    "remove",
    "give",
    "put",
    "consider borrowing",
];

/// What only rustc can find, and says in its own words.
const RUSTC_SAYS_IT: &[&str] = &[
    "event/duplicate_name.stderr",
    "event/not_send.stderr",
    "handler/not_send.stderr",
    "pipeline/duplicate_name.stderr",
    "pipeline/not_send.stderr",
    "repository/duplicate_name.stderr",
    "repository/field_compared_with_another_type.stderr",
    "repository/like_on_a_number.stderr",
    "repository/save_without_version.stderr",
    "repository/unknown_field_in_a_patch.stderr",
    "repository/wrong_id.stderr",
    "saga/duplicate_name.stderr",
    "saga/more_visible_than_its_output.stderr",
    "saga/not_send.stderr",
];

#[test]
#[cfg_attr(
    not(pinned),
    ignore = "messages change with the compiler; use that of rust-toolchain.toml"
)]
fn every_mistake_gets_its_message() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*/*.rs");
    cases.pass("pass/*/*.rs");
}

#[test]
fn every_message_says_what_to_do() {
    for path in files("fail", "stderr") {
        let text = fs::read_to_string(&path).unwrap();
        let says = |message: &str| FIXES.iter().any(|fix| message.contains(fix));
        let rustcs = RUSTC_SAYS_IT.iter().any(|case| path.ends_with(case));
        assert!(says(&text) || rustcs, "{}: no fix", path.display());
        // Those that carry no code are the macros' own, one by one.
        for message in text.split("\n\n").filter(|message| message.starts_with("error: ")) {
            assert!(says(message) || rustcs, "{}: no fix in\n{message}", path.display());
        }
    }
}

#[test]
fn every_mistake_has_its_message_recorded() {
    for path in files("fail", "rs") {
        assert!(path.with_extension("stderr").exists(), "{}", path.display());
    }
}

#[test]
fn what_is_right_compiles_under_the_strictest_lints() {
    for path in files("pass", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let strict = text.starts_with("#![deny(warnings)]\n#![forbid(unsafe_code)]\n");
        assert!(strict, "{}", path.display());
    }
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let files: Vec<PathBuf> = entries(folder.as_ref())
        .iter()
        .flat_map(|folder| entries(folder))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    assert!(!files.is_empty());
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder exists");
    entries.map(|entry| entry.expect("its entries are readable").path()).collect()
}
