//! The PostgreSQL store: the laws of every back end, and its own promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{env, sync::Arc};

use kairo::{
    Uuid, backend,
    clock::Clock,
    conformance::{Features, Harness},
    delivery::Backend,
    store::BoxFuture,
};

/// A schema of its own in the database that `KAIRO_POSTGRES_URL` names.
struct Place {
    schema: String,
}

impl Place {
    fn new() -> Self {
        Self { schema: format!("t{}", Uuid::now_v7().simple()) }
    }

    fn url(&self) -> String {
        format!("{}?schema={}", server(), self.schema)
    }

    async fn store(&self) -> kairo::Result<Arc<dyn Backend>> {
        backend::open(&self.url(), &Clock::system()).await
    }
}

/// The URL of a database that tests may fill.
fn server() -> String {
    env::var("KAIRO_POSTGRES_URL").expect("`KAIRO_POSTGRES_URL` names a database: run ./test")
}

impl Harness for Place {
    fn features(&self) -> Features {
        Features { durable: true, shared: true }
    }

    fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
        Box::pin(self.store())
    }
}

kairo::conformance!(
    laws,
    Place::new(),
    #[ignore = "needs PostgreSQL: run ./test"]
);
