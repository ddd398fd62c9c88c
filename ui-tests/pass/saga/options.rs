#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
//! What `#[saga]` and the attributes of its methods can say.

use std::time::Duration;

use kairo::{
    blueprint::{OnUnknown, Takes, Undo},
    prelude::*,
    saga::{Saga, SagaFailure},
    serde_json::Value,
};

#[event("gift.ordered")]
struct GiftOrdered {
    #[key]
    order_id: u64,
    is_gift: bool,
}

#[data]
struct Paper(String);

#[data]
struct Parcel(u64);

struct Gifts;

#[saga(
    "gifts",
    on = "gift.ordered",
    timeout = "1h",
    rollback_on_failure = false,
    output = pack,
    input = GiftOrdered,
    crate = ::kairo
)]
impl Gifts {
    #[step(no_compensation = "paper stays cut", when = is_gift)]
    async fn cut(&self) -> Paper {
        Paper("red".into())
    }

    #[step(after(), on_unknown = "compensate", timeout = "5s")]
    async fn pick(&self, order: &GiftOrdered) -> Result<Vec<u64>, Failure> {
        Ok(vec![order.order_id])
    }

    #[compensate(pick)]
    async fn put_back(&self, order: &GiftOrdered) {
        println!("{}", order.order_id);
    }

    #[step(after(), on_unknown = "park")]
    async fn note(&self, order: &GiftOrdered, attempt: Attempt) -> Vec<u64> {
        println!("{attempt:?}");
        vec![order.order_id]
    }

    #[compensate(note)]
    async fn cross_out(&self, noted: &Vec<u64>) {
        println!("{noted:?}");
    }

    #[step(after(pick), when = has_paper)]
    async fn wrap(&self, paper: Option<&Paper>, #[from(pick)] picked: &Vec<u64>) -> Option<String> {
        paper.map(|paper| format!("{} {picked:?}", paper.0))
    }

    #[compensate(wrap)]
    async fn unwrap(
        &self,
        wrapped: Option<&Option<String>>,
        #[from(pick)] picked: &Vec<u64>,
        context: Context,
    ) -> Result<(), Failure> {
        println!("{wrapped:?} {picked:?} {context:?}");
        Ok(())
    }

    #[step(
        no_compensation = "a parcel stays packed",
        retry(max = 2, backoff = "1s", exponential, jitter, pause_max = "1m")
    )]
    async fn pack(
        &self,
        #[from(input)] order: &GiftOrdered,
        wrapped: Option<&Option<String>>,
    ) -> Parcel {
        println!("{wrapped:?}");
        Parcel(order.order_id)
    }

    #[step]
    async fn send(&self, parcel: &Parcel, publisher: Publisher) {
        println!("{} {publisher:?}", parcel.0);
    }

    #[on_complete]
    async fn tell(&self, output: &Parcel, paper: Option<&Paper>, order: &GiftOrdered) {
        println!("{} {:?} {}", output.0, paper, order.order_id);
    }

    #[on_error]
    async fn warn(&self, error: &SagaFailure, parcel: Option<&Parcel>) -> Result<(), Failure> {
        println!("{error:?} {parcel:?}");
        Ok(())
    }

    #[migrate(from = "00000000000000ff")]
    fn renamed(state: Value) -> Result<Value, Failure> {
        if state.is_null() { Err(Failure::permanent("there is none")) } else { Ok(state) }
    }

    fn is_gift(&self, order: &GiftOrdered) -> bool {
        order.is_gift
    }

    fn has_paper(&self, paper: Option<&Paper>) -> bool {
        paper.is_some()
    }
}

fn main() {
    let blueprint = Gifts::blueprint();
    assert_eq!((blueprint.output, blueprint.rollback), (4, false));
    assert_eq!(blueprint.timeout, Some(Duration::from_hours(1)));
    assert!(blueprint.on_complete.is_some() && blueprint.on_error.is_some());
    assert_eq!(blueprint.migrations[0].from, 0xff);
    assert!((blueprint.migrations[0].run)(Value::Bool(true)).is_ok());
    assert!((blueprint.migrations[0].run)(Value::Null).is_err());
    let after: Vec<_> = blueprint.steps.iter().map(|step| step.after).collect();
    let expected: [&[usize]; 6] = [&[], &[], &[], &[0, 1], &[0, 1, 2, 3], &[0, 1, 2, 3, 4]];
    assert_eq!(after, expected);
    let steps = &blueprint.steps;
    assert!(steps[0].when.is_some() && steps[3].when.is_some() && steps[1].when.is_none());
    assert!(matches!(steps[0].undo, Undo::Nothing("paper stays cut")));
    assert!(matches!(steps[1].undo, Undo::By { takes: Takes::Nothing, .. }));
    assert!(matches!(steps[2].undo, Undo::By { takes: Takes::Output, .. }));
    assert!(matches!(steps[3].undo, Undo::By { takes: Takes::Maybe, .. }));
    assert_eq!(steps[1].on_unknown, Some(OnUnknown::Compensate));
    assert_eq!(steps[2].on_unknown, Some(OnUnknown::Park));
    assert_eq!(steps[1].timeout, Some(Duration::from_secs(5)));
    assert!(steps[4].retry.is_some() && steps[5].retry.is_none());
    // The words of the fingerprint are what code that carries a saga on must agree about.
    for word in
        ["input GiftOrdered", "step wrap", "when has_paper", "may take Paper of cut", "after pick"]
    {
        assert!(blueprint.shape.contains(&word), "{word} in {:?}", blueprint.shape);
    }
}
