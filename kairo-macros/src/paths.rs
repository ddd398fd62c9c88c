//! Where the library is, seen from the crate that is being compiled.

use proc_macro_crate::FoundCrate;
use proc_macro2::Span;
use syn::{Ident, Path, parse_quote};

/// `crate = path` if it was given; otherwise the library under the name that Cargo.toml gives it.
pub(crate) fn library(given: Option<Path>) -> Path {
    if let Some(path) = given {
        return path;
    }
    match proc_macro_crate::crate_name("kairo") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            parse_quote!(::#name)
        }
        // The library calls itself `kairo`; and so does who is compiled without cargo.
        Ok(FoundCrate::Itself) | Err(_) => parse_quote!(::kairo),
    }
}

/// garde under the name that Cargo.toml gives it, if the crate depends on it.
pub(crate) fn garde() -> Option<Path> {
    match proc_macro_crate::crate_name("garde") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            Some(parse_quote!(::#name))
        }
        Ok(FoundCrate::Itself) | Err(_) => None,
    }
}
