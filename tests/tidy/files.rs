//! How a file looks: it opens with the question that it answers, and it is not too long.

use std::path::Path;

use crate::source::{assert_none, files_below, library, relative, workspace};

/// The number of lines at which a file should be asked for its second noun.
const LINES_MAX: usize = 400;

/// Folders whose sources are looked at.
const FOLDERS: &[&str] = &["kairo", "kairo-macros", "benches", "tests", "examples", "ui-tests"];

/// Folders in them that hold no files of ours to look at: what a compiler is given, mistakes and all.
const APART: &[&str] = &["ui-tests/fail/", "ui-tests/pass/"];

/// The sources of all members of the workspace, as (path, text).
fn all() -> Vec<(String, String)> {
    let root = workspace();
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a source is text");
        (relative(path, &root), text)
    };
    (FOLDERS.iter())
        .flat_map(|folder| files_below(&root.join(folder)))
        .filter(|path| is_source(path))
        .map(|path| read(&path))
        .filter(|(path, _)| !APART.iter().any(|apart| path.starts_with(apart)))
        .collect()
}

#[test]
fn a_file_opens_with_the_question_that_it_answers() {
    let silent: Vec<_> = all()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert_none("a file opens with a `//!` line", &silent);
}

#[test]
fn a_file_has_at_most_400_lines() {
    let long: Vec<_> = (all().into_iter())
        .filter(|(_, text)| LINES_MAX < text.lines().count())
        .map(|(path, text)| format!("{path} has {} lines", text.lines().count()))
        .collect();
    assert_none("a file has at most 400 lines", &long);
}

#[test]
fn nothing_is_left_half_done() {
    let marks = ["TODO", "FIXME", "XXX", "dbg!(", "unimplemented!("];
    let half_done: Vec<_> = (library().iter())
        .flat_map(|source| {
            let found = marks.iter().filter(|mark| source.text.contains(**mark));
            found.map(|mark| format!("{} has `{mark}`", source.path))
        })
        .collect();
    assert_none("what is begun is finished", &half_done);
}
