//! Tests of the whole library, as its users see it, and what they share.

pub mod support;
