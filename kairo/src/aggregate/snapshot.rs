//! Snapshots: the state of an instance, kept so that rebuilding it need not begin at its first event.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    fold::{Fold, Until},
    kind::Kind,
};
use crate::{
    bus::Bus,
    error::Result,
    event::name::StreamName,
    store::{Snapshot, Unit},
};

/// How the state of an aggregate is kept beside its events.
#[derive(Debug)]
pub struct Snapshots<A> {
    /// After how many events behind the last one a snapshot is taken.
    every: u64,
    /// The shape of the state; one of another shape is not read.
    schema: u64,
    encode: fn(&A) -> serde_json::Result<Vec<u8>>,
    decode: fn(&[u8]) -> serde_json::Result<A>,
}

/// A state that can be kept.
#[diagnostic::on_unimplemented(
    message = "snapshots of `{Self}` cannot be stored",
    label = "`snapshot_every` stores the state, which `{Self}` does not support",
    note = "put `#[kairo::data]` on the definition of `{Self}` (or derive `Serialize` and `Deserialize`), or remove `snapshot_every`"
)]
pub trait Snapshotted: Sized {
    /// A snapshot after so many events, of a state of this shape.
    fn every(events: u32, schema: u64) -> Snapshots<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Snapshotted for T {
    fn every(events: u32, schema: u64) -> Snapshots<Self> {
        Snapshots {
            every: events.into(),
            schema,
            encode: |state| serde_json::to_vec(state),
            decode: |json| serde_json::from_slice(json),
        }
    }
}

/// What tells the states of one definition of an aggregate from those of another: the version that
/// it states, and which events it applies, in whatever order.
#[must_use]
pub const fn fingerprint(version: u32, applied: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut sum = version as u64;
    let mut i = 0;
    while i < applied.len() {
        // FNV-1a, by Fowler, Noll and Vo.
        let (mut hash, name, mut j) = (OFFSET, applied[i].as_bytes(), 0);
        while j < name.len() {
            hash = (hash ^ name[j] as u64).wrapping_mul(PRIME);
            j += 1;
        }
        sum = sum.wrapping_add(hash);
        i += 1;
    }
    // Some stores count with a sign.
    sum >> 1
}

/// The fold at the newest snapshot that lies within reach and can be read, or before any event.
pub(super) async fn begin<A>(
    kind: Kind<A>,
    bus: &Bus<'_>,
    stream: &StreamName,
    until: Until,
) -> Result<Fold<A>> {
    let Some(snapshots) = (kind.snapshots)() else { return Ok(Fold::blank(kind)) };
    let kept = bus.get().engine.backend.snapshot(stream, kind.name).await?;
    let fold = kept.and_then(|kept| snapshots.read(kind, &kept, until));
    Ok(fold.unwrap_or_else(|| Fold::blank(kind)))
}

/// Keeps the state if enough has been folded since the last snapshot.
///
/// Without it nothing is wrong, only slower; so a store that fails at it is not the caller's trouble.
pub(super) async fn keep<A>(bus: &Bus<'_>, stream: &StreamName, fold: &Fold<A>) {
    let Some(snapshot) = (fold.kind.snapshots)().and_then(|it| it.due(stream, fold)) else {
        return;
    };
    let unit = Unit { snapshots: vec![snapshot], ..Unit::default() };
    if let Err(error) = bus.get().engine.backend.commit(unit).await {
        tracing::warn!(%stream, %error, "a snapshot could not be kept");
    }
}

impl<A> Snapshots<A> {
    fn read(&self, kind: Kind<A>, kept: &Snapshot, until: Until) -> Option<Fold<A>> {
        let within = match until {
            Until::Version(version) => kept.version <= version,
            Until::Time(time) => kept.time <= time,
            Until::End => true,
        };
        if kept.schema != self.schema || !within {
            return None;
        }
        match (self.decode)(&kept.payload) {
            Ok(state) => {
                let (version, time) = (kept.version, kept.time);
                Some(Fold { kind, state: Some(state), version, time, kept: version })
            }
            Err(error) => {
                let stream = &kept.stream;
                tracing::warn!(%stream, %error, "a snapshot cannot be read: the stream is");
                None
            }
        }
    }

    fn due(&self, stream: &StreamName, fold: &Fold<A>) -> Option<Snapshot> {
        let state = fold.state.as_ref()?;
        if fold.version - fold.kept < self.every {
            return None;
        }
        match (self.encode)(state) {
            Ok(payload) => Some(Snapshot {
                stream: stream.clone(),
                name: fold.kind.name.to_owned(),
                version: fold.version,
                schema: self.schema,
                time: fold.time,
                payload: payload.into(),
            }),
            Err(error) => {
                tracing::warn!(%stream, %error, "the state cannot be written as JSON");
                None
            }
        }
    }
}
