//! The signals that ask a process to end.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(not(unix))]
use tokio::signal::windows::{CtrlC, ctrl_c};

use crate::error::{Error, Result};

/// Receives signals from when it is installed, also those that come while nobody waits.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(not(unix))]
    interrupt: CtrlC,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn install() -> Result<Self> {
        let receive = |kind| signal(kind).map_err(no_signals);
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: receive(interrupt)?, terminate: receive(terminate)? })
    }

    /// Returns at the next signal; two of a kind that nobody has waited for are one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn install() -> Result<Self> {
        Ok(Self { interrupt: ctrl_c().map_err(no_signals)? })
    }

    /// Returns at the next signal; two that nobody has waited for are one.
    pub(super) async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}

fn no_signals(error: std::io::Error) -> Error {
    Error::Store { action: "waiting for signals".to_owned(), source: error.into() }
}
