//! Tests of the whole library, as its users see it.
