//! What a URL says about a store: the server, the names of its tables, and how it is used.

use std::str::FromStr;

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    settings::{Append, Wanted},
    tables::is_name,
};
use crate::{
    backend::{
        partitions,
        url::{StoreUrl, hint, quoted},
    },
    error::Result,
};

/// The log's table where the URL names none.
const TABLE: &str = "kairo_event";

/// Where the others begin, so that the log's table cannot be one of them.
const PREFIX: &str = "kairo_";

/// How many connections read and change things where the URL does not say.
const POOL: usize = 10;

/// The most connections that a URL may ask for.
const POOL_MAX: usize = 1_000;

/// The form of a name, for messages.
const NAME_FORM: &str = "use 1 to 48 characters of `a-z`, `0-9` and `_`, and no digit as the first";

/// What a URL says.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// How to reach the server.
    pub(super) connect: PgConnectOptions,
    /// The schema; the first of the role's search path where it is `None`.
    pub(super) schema: Option<String>,
    /// The log's table.
    pub(super) table: String,
    /// How many connections there are beside those that only append.
    pub(super) pool: usize,
    /// What the store must have been made with, or is.
    pub(super) wanted: Wanted,
}

impl Options {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming the part that is wrong, and never the
    /// password.
    pub(super) fn parse(url: &StoreUrl) -> Result<Self> {
        let [table, schema, pool, append, count, mode, root_cert, cert, key, application] = url
            .options([
                "table",
                "schema",
                "pool",
                "append",
                "partitions",
                "sslmode",
                "sslrootcert",
                "sslcert",
                "sslkey",
                "application_name",
            ])?;
        let mut connect = server(url)?;
        if let Some(mode) = mode {
            connect = connect.ssl_mode(ssl_mode(url, mode)?);
        }
        if let Some(file) = root_cert {
            connect = connect.ssl_root_cert(file);
        }
        if let Some(file) = cert {
            connect = connect.ssl_client_cert(file);
        }
        if let Some(file) = key {
            connect = connect.ssl_client_key(file);
        }
        connect = connect.application_name(application.unwrap_or("kairo"));
        let wanted = Wanted {
            append: append.map(|mode| append_mode(url, mode)).transpose()?,
            partitions: count.map(|count| partitions::parse(url, count)).transpose()?,
        };
        Ok(Self {
            wanted,
            connect: connect.disable_statement_logging(),
            schema: schema.map(|name| checked(url, "schema", name)).transpose()?,
            table: table.map_or(Ok(TABLE.to_owned()), |name| table_name(url, name))?,
            pool: pool.map_or(Ok(POOL), |count| pool_size(url, count))?,
        })
    }
}

fn server(url: &StoreUrl) -> Result<PgConnectOptions> {
    const FORM: &str = "write `postgres://user:password@host:5432/database`";
    let text = format!("postgres://{}", url.place());
    PgConnectOptions::from_str(&text).map_err(|_| url.invalid(FORM))
}

fn ssl_mode(url: &StoreUrl, mode: &str) -> Result<PgSslMode> {
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    mode.parse().map_err(|_| {
        url.invalid(format!("`sslmode` is `{mode}`; it can be one of {}", quoted(&MODES, "")))
    })
}

fn checked(url: &StoreUrl, option: &str, name: &str) -> Result<String> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(url.invalid(format!("`{option}` is `{}`; {NAME_FORM}", name.escape_debug())))
}

fn table_name(url: &StoreUrl, name: &str) -> Result<String> {
    let name = checked(url, "table", name)?;
    if is_taken(&name) && name != TABLE {
        let allowed =
            format!("`table` is `{name}`; names in `{PREFIX}` are taken for other tables");
        return Err(url.invalid(allowed));
    }
    Ok(name)
}

/// Whether a store may have a table of this name, beside the log.
pub(super) fn is_taken(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn append_mode(url: &StoreUrl, name: &str) -> Result<Append> {
    Append::of_name(name).ok_or_else(|| {
        let hint = hint(name, &Append::NAMES);
        url.invalid(format!("`append` is `{name}`{hint}; use `gated` or `locked`"))
    })
}

fn pool_size(url: &StoreUrl, count: &str) -> Result<usize> {
    let size = count.parse().ok().filter(|size| (1..=POOL_MAX).contains(size));
    size.ok_or_else(|| url.invalid(format!("`pool` is `{count}`; use 1 to {POOL_MAX}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(rest: &str, expected: &str) {
        let url = StoreUrl::parse(&format!("postgres://ada:secret@db/shop{rest}")).unwrap();
        let error = Options::parse(&url).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("postgres://…@db/shop") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_url_names_the_server_and_the_tables() {
        let url = "postgres://ada:secret@db:5433/shop?table=event_store&schema=shop&pool=3";
        let options = Options::parse(&StoreUrl::parse(url).unwrap()).unwrap();
        assert_eq!((options.connect.get_host(), options.connect.get_port()), ("db", 5433));
        assert_eq!((options.table.as_str(), options.pool), ("event_store", 3));
        assert_eq!(options.schema.as_deref(), Some("shop"));
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        check_refused("?table=Events", "`table` is `Events`; use 1 to 48");
        check_refused("?table=kairo_parked", "names in `kairo_` are taken");
        check_refused("?schema=a-b", "`schema` is `a-b`");
        check_refused("?pool=0", "`pool` is `0`; use 1 to 1000");
        check_refused("?append=loked", "`append` is `loked` (did you mean `locked`?)");
        check_refused("?partitions=65", "`partitions` is `65`; use 1 to 64");
        check_refused("?sslmode=on", "`sslmode` is `on`");
        check_refused("?tabl=x", "did you mean `table`?");
    }
}
