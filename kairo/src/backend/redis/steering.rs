//! What operators do to subscriptions.

use super::{RedisStore, changes::Draft, places::Place};
use crate::{
    backend::shares::{Held, finish, has_passed},
    delivery::{Checkpoint, Partitions, Steer},
    error::{Error, Result},
    event::name::StreamName,
    store::{Position, Store},
};

/// What an error says was being done.
const STEERING: &str = "steering a subscription of";

/// The generation that begins with an epoch.
pub(super) fn generation(epoch: u64) -> u32 {
    u32::try_from(epoch).unwrap_or(u32::MAX)
}

impl RedisStore {
    pub(super) async fn steer_subscription(&self, name: String, steer: Steer) -> Result {
        if let Steer::Skip { position } = steer {
            return self.skip(&name, position).await;
        }
        let plan = |draft: &mut Draft| {
            let mut place = found(draft, &name)?;
            match steer {
                Steer::Move { to } => {
                    move_to(draft, &mut place, to);
                    draft.forget_parked(&name);
                }
                Steer::Pause => place.paused = true,
                Steer::Resume | Steer::Skip { .. } => place.paused = false,
            }
            draft.set(&name, place);
            Ok(())
        };
        self.change(STEERING, &[&name], plan).await.map(drop)
    }

    async fn skip(&self, name: &str, position: Position) -> Result {
        let stream = self.stream_at(position).await?;
        let key = stream.as_str();
        let parked = self.is_parked(name, position).await?;
        let plan = |draft: &mut Draft| {
            let mut place = found(draft, name)?;
            let epoch = draft.next_epoch();
            let Some(share) = place.shares.iter_mut().find(|share| share.partitions.have(key))
            else {
                return Ok(());
            };
            if parked {
                draft.forget_parked_at(name, position);
            } else {
                if has_passed(&share.checkpoint, key, position) {
                    let state = format!("`{name}` has handled the event at {position}");
                    return Err(Error::WrongState(state));
                }
                finish(&mut share.checkpoint, position);
            }
            // The owner is fenced, and learns by that what was skipped.
            (share.epoch, share.owner, share.clean) = (epoch, None, true);
            draft.set(name, place);
            Ok(())
        };
        self.change(STEERING, &[name], plan).await.map(drop)
    }

    async fn stream_at(&self, position: Position) -> Result<StreamName> {
        let found = self.read_at(&[position]).await?;
        let event = found.first().ok_or_else(|| Error::NotFound {
            what: "event at the position",
            value: position.to_string(),
        })?;
        Ok(event.event.stream.clone())
    }

    async fn is_parked(&self, name: &str, position: Position) -> Result<bool> {
        let mut exists = redis::cmd("HEXISTS");
        exists.arg(self.key(&format!("parked:{name}"))).arg(position.to_string());
        let exists = self.link.ask(super::READING, &exists).await?;
        Ok(exists == redis::Value::Int(1))
    }
}

fn found(draft: &Draft, name: &str) -> Result<Place> {
    let missing = || Error::NotFound { what: "subscription", value: name.to_owned() };
    draft.place(name).cloned().ok_or_else(missing)
}

/// Puts all partitions at a place together; nobody has them.
fn move_to(draft: &mut Draft, place: &mut Place, to: Position) {
    let epoch = draft.next_epoch();
    let partitions = place.shares.iter().map(|share| share.partitions);
    if let Some(all) = partitions.reduce(Partitions::with) {
        place.shares = vec![Held::free(all, epoch, Checkpoint::at(to))];
        place.generation = generation(epoch);
    }
}
