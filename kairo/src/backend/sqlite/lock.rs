//! One process owns a database: an OS lock on a file beside it, which ends with the process.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::failure::Failing;
use crate::error::{Error, Result};

/// The longest text that is looked at for the owner's pid, in bytes.
const PID_MAX: u64 = 20;

/// The ownership of a database; dropping it lets go.
#[derive(Debug)]
pub(super) struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    /// Takes the ownership of the database at `path`, which is in its canonical form.
    ///
    /// # Errors
    /// [`Error::InUse`] when somebody has it, with the pid where it can be read.
    pub(super) fn take(path: &Path, failing: &Failing) -> Result<Self> {
        let lock = beside(path);
        let failed = |error: io::Error| {
            let named = io::Error::new(error.kind(), format!("`{}`: {error}", lock.display()));
            failing.of("locking", named)
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let store = failing.url().to_owned();
                return Err(Error::InUse { store, owner: owner(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        write_owner(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-lock");
    name.into()
}

fn write_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

/// The pid in the file; it is for people, so nothing depends on its being there.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
