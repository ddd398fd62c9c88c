//! Keeps the house in order: which room may import which, how files look, and what the library
//! stands on.

mod arrows;
mod dependencies;
mod files;
mod map;
mod purity;
mod source;
