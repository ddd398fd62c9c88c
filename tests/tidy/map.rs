//! ARCHITECTURE.md's code map names exactly the folders that exist.

use std::{collections::BTreeSet, fs, path::Path};

use crate::source::{assert_none, relative, workspace};

/// The folders whose folders the map names.
const ROOTS: &[&str] = &["kairo/src", "kairo-macros/src"];

fn folders_below(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.insert(format!("{}/", relative(&path, root)));
            folders_below(&path, root, found);
        }
    }
}

/// The words between backticks that end with a slash, in the section `Code map`.
fn named() -> BTreeSet<String> {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("it is there");
    let (_, behind) = text.split_once("\n## Code map\n").expect("it has a section `Code map`");
    let section = behind.split("\n## ").next().unwrap_or_default();
    let quoted = section.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.ends_with('/')).map(str::to_owned).collect()
}

#[test]
fn the_code_map_names_exactly_the_folders_that_exist() {
    let root = workspace();
    let mut existing = BTreeSet::new();
    for folder in ROOTS {
        folders_below(&root.join(folder), &root, &mut existing);
    }
    let named: BTreeSet<_> =
        named().into_iter().filter(|name| ROOTS.iter().any(|root| is_within(name, root))).collect();
    let missing = existing.difference(&named).map(|name| format!("`{name}` is not in the map"));
    let gone = named.difference(&existing).map(|name| format!("`{name}` does not exist"));
    assert_none("the code map names what exists", &missing.chain(gone).collect::<Vec<_>>());
}

fn is_within(name: &str, root: &str) -> bool {
    name.strip_prefix(root).is_some_and(|rest| 1 < rest.len())
}
