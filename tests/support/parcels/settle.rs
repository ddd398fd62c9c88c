//! The end of a run: everybody goes on until nothing is left, and what is stuck is decided.

use std::{path::Path, time::Duration};

use kairo::{
    clock::Clock,
    prelude::*,
    saga::{Phase, SagaFilter, SagaInfo, Slot},
};
use serde_json::json;

use super::{Order, Receipt, Services, fate::Fate};

/// How long it takes at most, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);

/// All parcels there are, oldest first.
pub(super) async fn parcels(kairo: &Kairo) -> Vec<SagaInfo> {
    let filter =
        SagaFilter { saga: Some("parcel".to_owned()), limit: 100_000, ..SagaFilter::default() };
    kairo.sagas().list(filter).await.expect("sagas can be listed")
}

/// What the journal knows of a step.
pub(super) fn slot(parcel: &SagaInfo, step: &str) -> Slot<Receipt> {
    let slot = parcel.state["steps"][step].clone();
    serde_json::from_value(slot).unwrap_or_else(|error| panic!("{step} of {parcel:?}: {error}"))
}

pub(super) fn order_of(parcel: &SagaInfo) -> Order {
    serde_json::from_value(parcel.state["input"].clone())
        .unwrap_or_else(|error| panic!("the input of {parcel:?}: {error}"))
}

/// Mends what is in the way of compensations, and waits until all parcels have ended; says how many
/// were stuck until then.
///
/// # Panics
/// When one is stuck that should not be, or they do not end.
pub async fn settle(kairo: &Kairo, folder: &Path) -> usize {
    std::fs::write(Services::mended(folder), "").expect("there is room for a file");
    let mut stuck = 0;
    let settling = async {
        loop {
            let all = parcels(kairo).await;
            for parcel in all.iter().filter(|parcel| parcel.phase == Phase::Stuck) {
                decide(kairo, parcel).await;
                stuck += 1;
            }
            if all.iter().all(|parcel| parcel.phase.has_ended()) {
                return;
            }
            Clock::system().sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(PATIENCE, settling).await.is_err() {
        let all = parcels(kairo).await;
        let left: Vec<_> = all.iter().filter(|parcel| !parcel.phase.has_ended()).collect();
        panic!("{} have not ended for {PATIENCE:?}: {left:#?}", left.len());
    }
    stuck
}

/// Lets a parcel that is stuck go on. It is so for one of two reasons: nobody knows whether it was
/// packed, or a compensation has failed for good.
async fn decide(kairo: &Kairo, parcel: &SagaInfo) {
    let step = parcel.stuck.as_deref().unwrap_or_default();
    let is_unknown = slot(parcel, step).output().is_none();
    let decided = match Fate::of_undo(&order_of(parcel), step) {
        _ if is_unknown && step == "pack" => {
            let by_hand = json!({ "epoch": 0, "attempt": 0 });
            kairo.sagas().retry_with(parcel.id, by_hand).await
        }
        Fate::No => kairo.sagas().retry(parcel.id).await,
        _ => panic!("it is stuck for no reason: {parcel:#?}"),
    };
    decided.unwrap_or_else(|error| panic!("{error}: {parcel:#?}"));
}
