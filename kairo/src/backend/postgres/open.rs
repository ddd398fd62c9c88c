//! Finding the server and the tables that a URL names.

use std::sync::Arc;

use sqlx::{PgConnection, Row};

use super::{
    PostgresStore,
    connections::{Connector, answered, connect},
    failure::Failing,
    options::Options,
    schema::{self, Made},
    server,
    settings::Settings,
    tables::Tables,
};
use crate::{
    backend::url::StoreUrl,
    clock::Timestamp,
    error::{Error, Result},
};

/// Opens the store that a URL names, making its tables first where there are none.
pub(super) async fn store(url: &StoreUrl, now: Timestamp) -> Result<PostgresStore> {
    let options = Options::parse(url)?;
    let failing = Failing::new(&url.shown());
    let mut connection = connect(&options.connect, &failing).await?;
    let schema = match options.schema {
        Some(schema) => schema,
        None => first_schema(&mut connection, url, &failing).await?,
    };
    let tables = Arc::new(Tables::new(&schema, &options.table));
    let made = Made { now, settings: options.wanted.or_default() };
    schema::prepare(&mut connection, &tables, &made, &failing).await?;
    let settings = Settings::read(&mut connection, &tables, options.wanted, &failing).await?;
    server::check(&mut connection, &tables, &failing).await?;
    let connector = Connector { options: options.connect, tables, settings, failing };
    Ok(PostgresStore::start(connector, connection, options.pool))
}

/// The first schema of the role's search path that exists.
async fn first_schema(
    connection: &mut PgConnection,
    url: &StoreUrl,
    failing: &Failing,
) -> Result<String> {
    let select = sqlx::query("SELECT current_schema()::text");
    let row = answered(select.fetch_one(connection)).await;
    let schema: sqlx::Result<Option<String>> = row.and_then(|row| row.try_get(0));
    let none = || -> Error {
        url.invalid("the role's search path has no schema that exists; write `?schema=..`")
    };
    schema.map_err(|error| failing.of("looking at", error))?.ok_or_else(none)
}
