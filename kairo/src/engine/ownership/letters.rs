//! Dead letters that another process has sent to be reprocessed here, or has removed.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    delivery::{DeadLetter, LetterFilter, LetterState, SubscriptionRow},
    engine::{
        Engine,
        dispatch::{Command, KnownLetter, Running, View},
    },
    error::Result,
};

/// How many letters are read at once.
const PAGE: usize = 100;

/// Tells each subscription of letters that are being reprocessed and that it does not know, and of
/// those that it knows and that have gone.
pub(super) async fn tell(
    engine: &Engine,
    rows: &[SubscriptionRow],
    seen: &[(Arc<Running>, View)],
) -> Result {
    let has_letters = |running: &Running| {
        rows.iter().any(|row| *row.subscription == *running.spec.name && 0 < row.letters)
    };
    // What is known is asked first: what comes to be known later is nothing that has gone.
    let mut known = Vec::new();
    for (running, view) in seen.iter().filter(|(_, view)| view.held.is_some()) {
        if view.has_letters || has_letters(running) {
            known
                .extend(known_letters(running).await.map(|letters| (Arc::clone(running), letters)));
        }
    }
    if known.is_empty() {
        return Ok(());
    }
    let pending = pending(engine).await?;
    for (running, known) in known {
        tell_one(&running, &known, &pending);
    }
    Ok(())
}

fn tell_one(running: &Running, known: &[KnownLetter], pending: &[DeadLetter]) {
    let replaying: HashSet<Uuid> =
        known.iter().filter(|letter| letter.is_replaying).map(|letter| letter.id).collect();
    let is_its = |letter: &&DeadLetter| *letter.subscription == *running.spec.name;
    let pending: Vec<_> = pending.iter().filter(is_its).collect();
    let is_new = |it: &&&DeadLetter| it.state != LetterState::Dead && !replaying.contains(&it.id);
    let new = pending.iter().filter(is_new);
    let new: Vec<_> = new.map(|letter| DeadLetter::clone(letter)).collect();
    let is_gone = |known: &&KnownLetter| !pending.iter().any(|letter| letter.id == known.id);
    let gone = known.iter().filter(is_gone);
    let gone = gone.map(|known| Command::LetterGone(known.id));
    for command in gone.chain((!new.is_empty()).then_some(Command::Replay(new))) {
        // One whose commands pile up hears of it at the next look.
        let _ = running.commands.try_send(command);
    }
}

async fn known_letters(running: &Running) -> Option<Vec<KnownLetter>> {
    let (reply, answer) = oneshot::channel();
    running.commands.send(Command::Letters(reply)).await.ok()?;
    answer.await.ok()
}

/// All letters that are being reprocessed or hold their key.
async fn pending(engine: &Engine) -> Result<Vec<DeadLetter>> {
    let mut filter = LetterFilter { pending: true, limit: Some(PAGE), ..LetterFilter::default() };
    let mut pending: Vec<DeadLetter> = Vec::new();
    loop {
        let page = engine.backend.letters(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some((last.last_failed, last.id));
        pending.extend(page.into_iter().filter(DeadLetter::is_pending));
    }
    // Letters of a key are replayed in the order of the log.
    pending.sort_by_key(|letter| letter.position);
    Ok(pending)
}
