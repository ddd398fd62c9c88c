//! The engine: from what is registered to what runs.

pub(crate) mod registry;
