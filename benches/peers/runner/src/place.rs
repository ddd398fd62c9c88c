//! Where the events of a run go: a new database or file each time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::{Context, Result};

use crate::{
    server::{Server, output},
    suite::On,
};

/// A folder for the time of the comparison, which is deleted with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder in another one.
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        let path = parent.join(format!("kairo-peers-{}", process::id()));
        fs::create_dir_all(&path)
            .with_context(|| format!("`{}` cannot be made", path.display()))?;
        Ok(Self(path.canonicalize()?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Hands the folder to another account, if there is one to hand it to.
    pub(crate) fn give_to(&self, account: Option<&str>) -> Result<()> {
        match account {
            Some(account) => output(Command::new("chown").arg(account).arg(&self.0)).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("`{}` is still there: {error}", self.0.display());
        }
    }
}

/// Gives out empty places.
pub(crate) struct Places<'a> {
    folder: &'a Folder,
    server: Option<&'a Server>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(folder: &'a Folder, server: Option<&'a Server>) -> Self {
        Self { folder, server }
    }

    /// The URL of an empty place in which the row of this number keeps its events.
    pub(crate) fn fresh(&self, on: On, number: usize) -> Result<String> {
        match on {
            On::Nothing => Ok(String::new()),
            On::Sqlite => self.fresh_file(number),
            On::Postgres => {
                let server = self.server.context("a server runs where a suite needs one")?;
                server.fresh_database(&format!("peers_{number}"))
            }
        }
    }

    /// A path at which there is nothing, in a folder that has nothing else.
    fn fresh_file(&self, number: usize) -> Result<String> {
        let folder = self.folder.path().join(format!("sqlite-{number}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let path = folder.join("events.db").into_os_string();
        path.into_string().ok().context("the folder's name is UTF-8")
    }

    pub(crate) fn folder(&self) -> &Folder {
        self.folder
    }
}
