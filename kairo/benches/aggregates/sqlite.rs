//! Loads from SQLite, and by rusqlite from the same file.

use kairo::{Kairo, Uuid};
use rusqlite::Connection;
use tokio::runtime::Runtime;

use super::{Account, Side, apply, deposits::Folder};

pub(crate) struct Sqlite {
    kairo: Kairo,
    hand: Connection,
    /// Where both find their file.
    _folder: Folder,
}

impl Sqlite {
    pub(crate) fn open(runtime: &Runtime) -> Self {
        let folder = Folder::new();
        let kairo = runtime.block_on(folder.bus());
        let hand = Connection::open(folder.file("kairo.db")).expect("the file opens");
        Self { kairo, hand, _folder: folder }
    }
}

impl Side for Sqlite {
    fn kairo(&self) -> &Kairo {
        &self.kairo
    }

    fn prepare(&mut self, _runtime: &Runtime, _account: Uuid) {}

    fn by_hand(&mut self, _runtime: &Runtime, account: Uuid) -> i64 {
        balance(&self.hand, account).expect("the rows are events")
    }
}

/// One prepared statement, whose rows are decoded by name and folded.
fn balance(connection: &Connection, account: Uuid) -> rusqlite::Result<i64> {
    const SELECT: &str = "SELECT name, payload FROM kairo_event WHERE stream = ?1 ORDER BY version";
    let mut select = connection.prepare_cached(SELECT)?;
    let mut rows = select.query([format!("account-{account}")])?;
    let mut state = Account::default();
    while let Some(row) = rows.next()? {
        apply(&mut state, row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
    }
    Ok(state.balance)
}
