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
        Features { durable: false, shared: false, transactions: false }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(async { backend::open("memory:", &Clock::system()).await })
    }
}

kairo::conformance!(laws, Memory);

/// One that several buses share.
struct Shared;

impl Harness for Shared {
    fn features(&self) -> Features {
        Features { durable: false, shared: true, transactions: false }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(async { backend::open("memory:?shared=true", &Clock::system()).await })
    }

    fn open_beside<'a>(
        &'a self,
        open: &'a Arc<dyn Backend>,
    ) -> BoxFuture<'a, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(async { Ok(Arc::clone(open)) })
    }
}

kairo::conformance!(shared, Shared);
