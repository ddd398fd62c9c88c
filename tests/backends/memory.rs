//! The store in memory: the laws of every back end.

use std::sync::Arc;

use kairo::{
    backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    store::BoxFuture,
};

struct Memory;

impl Harness for Memory {
    fn features(&self) -> Features {
        Features { durable: false, shared: false }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(async { backend::open("memory:", &Clock::system()).await })
    }
}

kairo::conformance!(laws, Memory);
