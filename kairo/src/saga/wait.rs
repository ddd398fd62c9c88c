//! Waiting until a saga goes no further by itself.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::sagas::missing;
use crate::{
    bus::Shared,
    engine::stopped,
    error::{Error, Result},
    journal::SagaRow,
};

/// How often the store is asked while another process may carry the saga on.
const POLL: Duration = Duration::from_secs(1);

/// The saga as it is then. `ended` is a signal that was asked for before it could have ended.
pub(super) async fn until_rest(
    shared: &Arc<Shared>,
    id: Uuid,
    ended: Option<oneshot::Receiver<SagaRow>>,
) -> Result<SagaRow> {
    let engine = &shared.engine;
    let (mut stop, mut others) = (engine.stopping(), engine.backend.watch_others());
    let mut must_look = ended.is_none();
    let mut ended = ended.unwrap_or_else(|| engine.sagas.wait(id));
    let rest = loop {
        if must_look {
            let row = engine.backend.saga(id).await?;
            let row = row.ok_or_else(|| missing(id))?;
            if !row.phase.is_live() {
                break Ok(row);
            }
        }
        must_look = true;
        tokio::select! {
            biased;
            row = &mut ended => match row {
                Ok(row) => break Ok(row),
                Err(_) => ended = engine.sagas.wait(id),
            },
            () = stopped(&mut stop) => break Err(Error::Closed),
            changed = others.changed(), if engine.is_shared => {
                if changed.is_err() {
                    break Err(Error::Closed);
                }
            }
            () = engine.clock.sleep(POLL) => {}
        }
    };
    drop(ended);
    engine.sagas.forget(id);
    rest
}
