//! Marks of what has been handled: a part of the model of a store.

use kairo::{
    Position, Uuid,
    delivery::{Backend, Mark, MarkKey},
};
use proptest::prelude::*;

use super::{id, name, time};

fn mark_keys() -> impl Strategy<Value = MarkKey> {
    (name(), 1..3_u32, id()).prop_map(|(subscription, generation, event)| MarkKey {
        subscription,
        generation,
        event,
    })
}

pub(super) fn marks() -> impl Strategy<Value = Mark> {
    let epoch = prop_oneof![3 => Just(None), 1 => (1..6_u64).prop_map(Some)];
    (mark_keys(), epoch, 1..9_u64, 0..4_u8).prop_map(|(key, epoch, position, seconds)| Mark {
        key,
        epoch,
        position: Position::at_sequence(position),
        time: time(seconds),
    })
}

/// Those marks that there are.
pub(super) async fn dump(store: &dyn Backend) -> String {
    let mut lines = Vec::new();
    for subscription in ["mail", "stock", "audit"].map(str::to_owned) {
        for (generation, event) in (1..3).flat_map(|it| (1..6).map(move |event| (it, event))) {
            let (subscription, event) = (subscription.clone(), Uuid::from_u128(event));
            let key = MarkKey { subscription, generation, event };
            if store.is_marked(&key).await.unwrap() {
                lines.push(format!("{key:?}"));
            }
        }
    }
    lines.join("\n")
}
