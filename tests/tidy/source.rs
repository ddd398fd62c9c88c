//! The sources under `kairo/src`, read and split into tokens, so that comments and strings are
//! never mistaken for code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};

/// One file of the library.
pub(crate) struct Source {
    /// Its path below `kairo/src`, with `/` between the parts: `event/name.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// What the compiler sees of it.
    pub(crate) fn tokens(&self) -> TokenStream {
        self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }

    /// The module that the file is: `["event", "name"]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
    }

    /// Its first folder, or its name where it lies at the top.
    pub(crate) fn room(&self) -> String {
        self.module().into_iter().next().unwrap_or_default()
    }
}

/// The folder that holds the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").into()
}

/// Every file of the library, by path.
pub(crate) fn library() -> Vec<Source> {
    let root = workspace().join("kairo/src");
    let mut sources = Vec::new();
    for path in files_below(&root) {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source is text");
            sources.push(Source { path: relative(&path, &root), text });
        }
    }
    assert!(!sources.is_empty(), "no source was found in {}", root.display());
    sources
}

/// Every file below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A path below `root`, with `/` between the parts on every system.
pub(crate) fn relative(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).expect("the path lies below the root");
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// All tokens as words, with groups opened: `crate`, `:`, `:`, `event`, …
pub(crate) fn words(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => found.extend(words(group.stream())),
            TokenTree::Literal(_) => found.push("_".to_owned()),
            other => found.push(other.to_string()),
        }
    }
    found
}

/// Fails with one line per offence.
#[track_caller]
pub(crate) fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
