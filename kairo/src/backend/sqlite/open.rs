//! Finding, claiming and opening a database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{SqliteStore, commit::Writer, failure::Failing, lock::OwnerLock, schema};
use crate::{
    backend::url::{StoreUrl, hint},
    clock::Timestamp,
    error::{Error, Result},
};

/// How long a statement waits for a guest's transaction.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// The most statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 64;

/// The size to which the write-ahead log is cut back, in bytes.
const WAL_KEPT_MAX: u32 = 64 * 1024 * 1024;

/// What every SQLite database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// When a commit is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synchronous {
    /// Once the disk has it: it survives a loss of power.
    Full,
    /// Once the operating system has it: it survives the end of the process.
    Normal,
}

impl Synchronous {
    fn parse(url: &StoreUrl, value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("full") => Ok(Self::Full),
            Some("normal") => Ok(Self::Normal),
            Some(other) => {
                let hint = hint(other, &["full", "normal"]);
                let allowed =
                    format!("`synchronous` cannot be `{other}`{hint}; use `full` or `normal`");
                Err(url.invalid(allowed))
            }
        }
    }

    const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

/// Opens the store at a URL as its owner.
pub(super) fn own(url: &StoreUrl, now: Timestamp) -> Result<SqliteStore> {
    let [synchronous] = url.options(["synchronous"])?;
    let synchronous = Synchronous::parse(url, synchronous)?;
    check_place(url)?;
    let failing = Failing::new(&format!("sqlite://{}", url.place()));
    let path = canonical(Path::new(url.place())).map_err(|error| failing.of("opening", error))?;
    // Before the lock, so that nothing is put beside a file that is not ours.
    check_file(&path, &failing)?;
    let lock = OwnerLock::take(&path, &failing)?;
    let mut connection = writing(&path, synchronous, &failing)?;
    schema::migrate(&mut connection, now, &failing)?;
    let writer = Writer::new(connection, failing.clone())?;
    let mut store = SqliteStore::start(path, &failing, writer, lock)?;
    store.is_relaxed = synchronous == Synchronous::Normal;
    Ok(store)
}

fn check_place(url: &StoreUrl) -> Result {
    match url.place() {
        "" => Err(url.invalid("it names no file; write `sqlite://shop.db`")),
        ":memory:" => Err(url.invalid("write `memory:` for a store in memory")),
        _ => Ok(()),
    }
}

/// One name for each file, so that two spellings of it meet in one lock.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    if path.is_symlink() {
        // The file that a link names must be there for its name to be known.
        OpenOptions::new().create(true).append(true).open(path)?;
        return fs::canonicalize(path);
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| {
        io::Error::new(error.kind(), format!("the folder `{}`: {error}", folder.display()))
    })?;
    Ok(folder.join(name))
}

/// Refuses what cannot be a database: a folder, or a file with other content.
fn check_file(path: &Path, failing: &Failing) -> Result {
    let foreign = |reason: &str| {
        Err(Error::Foreign { store: failing.url().to_owned(), reason: reason.to_owned() })
    };
    let mut start = Vec::new();
    match File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        file.take(MAGIC.len() as u64).read_to_end(&mut start)
    }) {
        Ok(_) if start.is_empty() || start == MAGIC => Ok(()),
        Ok(_) => foreign("it is not a SQLite database"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => foreign("it is a folder"),
        Err(error) => Err(failing.of("opening", error)),
    }
}

fn writing(path: &Path, synchronous: Synchronous, failing: &Failing) -> Result<Connection> {
    let create = OpenFlags::SQLITE_OPEN_CREATE;
    let connection = connect(path, create).map_err(|error| failing.opening(error))?;
    schema::check(&connection, failing)?;
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(|error| failing.opening(error))?;
    if mode != "wal" {
        let reason = format!("its file system allows journal mode `{mode}` only, `wal` is needed");
        return Err(failing.of("opening", reason));
    }
    connection
        .pragma_update(None, "synchronous", synchronous.pragma())
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", WAL_KEPT_MAX))
        .map_err(|error| failing.opening(error))?;
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_MAX)?;
    // Otherwise a statement is planned anew whenever its `LIMIT` is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}
