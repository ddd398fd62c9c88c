//! A file imports only rooms above its own.

use std::collections::HashMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::source::{Source, assert_none, library};

/// The floors of the house from top to bottom, each with its rooms.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "words",
        &[
            "error",
            "clock",
            "observe",
            "nearest",
            "validation",
            "event",
            "handler",
            "retry",
            "blueprint",
        ],
    ),
    ("contracts", &["store", "delivery", "journal", "documents", "lease", "transport"]),
    ("back ends", &["backend"]),
    ("conformance", &["conformance"]),
    ("engine", &["engine"]),
    ("bus", &["bus"]),
    ("surface", &["pipeline", "repository", "saga", "aggregate", "projection"]),
    ("around", &["testing", "cli", "dashboard", "prelude", "__private"]),
];

/// The back ends, which do not know each other.
const BACK_ENDS: &[&str] = &["memory", "sqlite", "postgres", "redis", "nats"];

/// Imports that go down the house all the same: who, what (with all that lies in it), and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("error", "store::Version", "a conflict names the versions that disagree"),
    ("event", "store::Position", "an event in its place knows the place"),
    ("conformance", "testing::faults", "the laws hold for a store that fails, too"),
];

/// Where a room stands, from the top.
fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|(_, rooms)| rooms.contains(&room))
}

fn is_excepted(room: &str, import: &str) -> bool {
    EXCEPTIONS.iter().any(|(who, what, _)| room == *who && is_within(import, what))
}

fn is_within(import: &str, outer: &str) -> bool {
    import.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path that a file takes from the crate's root, as `["event", "name", "EventName"]`.
fn imports(source: &Source) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(source.tokens(), &source.module(), &mut found);
    found
}

/// Looks for `crate::`, `$crate::`, `kairo::` and `super::`, within the module that the tokens
/// are in.
fn collect(tokens: TokenStream, module: &[String], found: &mut Vec<Vec<String>>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if let Some((name, body)) = inline_module(&tokens[at..]) {
            let inner: Vec<_> = module.iter().cloned().chain([name]).collect();
            collect(body, &inner, found);
            at += 3;
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(ident) if is_first_of_path(&tokens, at) => {
                if let Some(base) = base(&ident.to_string(), module) {
                    spread(&tokens[at + 1..], &base, found);
                }
            }
            TokenTree::Group(group) => collect(group.stream(), module, found),
            _ => {}
        }
        at += 1;
    }
}

/// `mod name { .. }` at the front of the tokens.
fn inline_module(tokens: &[TokenTree]) -> Option<(String, TokenStream)> {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
            if word == "mod" && body.delimiter() == Delimiter::Brace =>
        {
            Some((name.to_string(), body.stream()))
        }
        _ => None,
    }
}

/// Whether a word has colons behind it and none before it.
fn is_first_of_path(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    !is_colon(at.checked_sub(1).and_then(|before| tokens.get(before)))
        && is_colon(tokens.get(at + 1))
}

/// The module that the first word of a path stands for; `None` for a path from elsewhere.
fn base(word: &str, module: &[String]) -> Option<Vec<String>> {
    match word {
        "crate" | "kairo" => Some(Vec::new()),
        "self" => Some(module.to_vec()),
        "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
        _ => None,
    }
}

/// Follows a path from behind its first word, through `{..}` with commas, to its ends.
fn spread(rest: &[TokenTree], base: &[String], found: &mut Vec<Vec<String>>) {
    let [TokenTree::Punct(first), TokenTree::Punct(second), next, rest @ ..] = rest else {
        return found.push(base.to_vec());
    };
    if (first.as_char(), second.as_char()) != (':', ':') {
        return found.push(base.to_vec());
    }
    match next {
        TokenTree::Ident(word) if word == "super" => {
            spread(rest, &base[..base.len().saturating_sub(1)], found);
        }
        TokenTree::Ident(word) => {
            let longer: Vec<_> = base.iter().cloned().chain([word.to_string()]).collect();
            spread(rest, &longer, found);
        }
        TokenTree::Group(group) => {
            let members: Vec<_> = group.stream().into_iter().collect();
            let is_comma =
                |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            for member in members.split(is_comma) {
                spread_member(member, base, found);
            }
        }
        _ => found.push(base.to_vec()),
    }
}

/// One member of `{..}`: a name with what follows it, or `self`.
fn spread_member(member: &[TokenTree], base: &[String], found: &mut Vec<Vec<String>>) {
    let [TokenTree::Ident(word), rest @ ..] = member else { return };
    if word == "self" {
        return found.push(base.to_vec());
    }
    let longer: Vec<_> = base.iter().cloned().chain([word.to_string()]).collect();
    spread(rest, &longer, found);
}

/// What `lib.rs` lifts to the crate's root, with the path that it really has.
fn lifted(sources: &[Source]) -> HashMap<String, Vec<String>> {
    let root = sources.iter().find(|source| source.path == "lib.rs").expect("there is a lib.rs");
    let long = imports(root).into_iter().filter(|path| 1 < path.len());
    long.filter_map(|path| path.last().cloned().map(|name| (name, path))).collect()
}

/// The room of a path, and what it takes from there. A path from the root may be a lifted name.
fn resolve(path: &[String], lifted: &HashMap<String, Vec<String>>) -> Option<(String, String)> {
    let first = path.first()?;
    let path = match lifted.get(first) {
        Some(real) if floor(first).is_none() => real,
        _ => path,
    };
    Some((path[0].clone(), path.join("::")))
}

fn judge(source: &Source, lifted: &HashMap<String, Vec<String>>) -> Vec<String> {
    let room = source.room();
    let Some(own) = floor(&room) else {
        return vec![format!("{}: `{room}` has no floor; add it to `FLOORS`", source.path)];
    };
    let mut offences = Vec::new();
    for (target, import) in imports(source).iter().filter_map(|path| resolve(path, lifted)) {
        let is_below = floor(&target).is_some_and(|floor| own < floor);
        let is_beside = target == "backend" && is_other_backend(source, &import);
        if (is_below || is_beside) && !is_excepted(&room, &import) {
            offences.push(format!("{} imports `{import}`", source.path));
        }
    }
    offences
}

/// Whether an import goes from one back end into another. `backend/mod.rs` sees all of them, because
/// it opens URLs, and all of them see what lies beside them in `backend/`.
fn is_other_backend(source: &Source, import: &str) -> bool {
    let module = source.module();
    let (Some(own), Some(other)) = (module.get(1), import.split("::").nth(1)) else { return false };
    own != other && BACK_ENDS.contains(&own.as_str()) && BACK_ENDS.contains(&other)
}

#[test]
fn a_file_imports_only_rooms_above_its_own() {
    let sources = library();
    let lifted = lifted(&sources);
    let offences: Vec<_> = (sources.iter().filter(|source| source.path != "lib.rs"))
        .flat_map(|source| judge(source, &lifted))
        .collect();
    assert_none("a file imports only rooms above its own", &offences);
}

#[test]
fn every_exception_is_still_needed() {
    let sources = library();
    let lifted = lifted(&sources);
    let unused: Vec<_> = EXCEPTIONS
        .iter()
        .filter(|(who, what, _)| {
            let rooms = sources.iter().filter(|source| source.room() == *who);
            let mut paths = rooms.flat_map(imports);
            !paths.any(|path| {
                resolve(&path, &lifted).is_some_and(|(_, import)| is_within(&import, what))
            })
        })
        .map(|(who, what, _)| format!("`{who}` does not import `{what}` any more"))
        .collect();
    assert_none("an exception that nobody needs is removed", &unused);
}

#[test]
fn paths_are_found_wherever_they_are_written() {
    let text = "use crate::{error::Error, store::{self, Position}}; \
                fn f() -> crate::retry::RetryPolicy { super::log::open() } \
                mod tests { use super::super::log; }";
    let source = Source { path: "backend/memory.rs".to_owned(), text: text.to_owned() };
    let found: Vec<_> = imports(&source).iter().map(|path| path.join("::")).collect();
    let expected = [
        "error::Error",
        "store",
        "store::Position",
        "retry::RetryPolicy",
        "backend::log::open",
        "backend::log",
    ];
    assert_eq!(found, expected);
}
