//! The store in Redis: the laws of every back end, and its own promises.
//!
//! These tests need a server, which `./test` starts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{env, sync::Arc};

use kairo::{
    backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    store::BoxFuture,
};

/// The variable that names the server.
const SERVER: &str = "KAIRO_REDIS_URL";

/// A prefix of its own on the server.
struct Place {
    prefix: String,
}

impl Place {
    fn new() -> Self {
        Self { prefix: format!("test-{}", Clock::system().new_id().simple()) }
    }

    fn url(&self) -> String {
        format!("{}?prefix={}", env::var(SERVER).unwrap(), self.prefix)
    }

    async fn store(&self) -> kairo::Result<Arc<dyn Backend>> {
        backend::open(&self.url(), &Clock::system()).await
    }
}

impl Harness for Place {
    fn features(&self) -> Features {
        Features { durable: true }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(self.store())
    }
}

kairo::conformance!(laws, Place::new(), #[ignore = "needs Redis: run ./test"]);
