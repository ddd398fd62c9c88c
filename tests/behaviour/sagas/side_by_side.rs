//! Steps that state their dependencies run side by side, and are undone as one level.

use kairo::{prelude::*, saga::Outcome};
use kairo_tests::support::{Gate, Journal, on_each_store};

#[data]
struct Left(u32);

#[data]
struct Right(u32);

#[derive(Clone)]
struct Both {
    seen: Journal<&'static str>,
    meet: Gate,
    fails: bool,
}

#[saga("both")]
impl Both {
    #[step(after())]
    async fn left(&self, number: &u32) -> Left {
        self.seen.note("left");
        self.meet.pass().await;
        Left(*number)
    }

    #[compensate(left)]
    async fn not_left(&self) {
        self.seen.note("not left");
    }

    #[step(after())]
    async fn right(&self, number: &u32) -> Right {
        self.seen.note("right");
        self.meet.pass().await;
        Right(*number)
    }

    #[compensate(right)]
    async fn not_right(&self, _right: Option<&Right>) {
        self.seen.note("not right");
    }

    fn is_even(&self, left: &Left) -> bool {
        !self.fails && left.0.is_multiple_of(2)
    }

    #[step(when = is_even, no_compensation = "nothing is left of it")]
    async fn even(&self, left: &Left) -> Result<String, Failure> {
        self.seen.note("even");
        Ok(format!("even {}", left.0))
    }

    #[step]
    async fn join(
        &self,
        left: &Left,
        right: &Right,
        even: Option<&String>,
    ) -> Result<String, Failure> {
        if self.fails {
            return Err(Failure::permanent("they do not fit"));
        }
        let even = even.cloned().unwrap_or_else(|| "odd".to_owned());
        Ok(format!("{} {} {even}", left.0, right.0))
    }
}

fn both(fails: bool) -> Both {
    Both { seen: Journal::new(), meet: Gate::shut(), fails }
}

#[tokio::test]
async fn independent_steps_run_side_by_side() {
    on_each_store(async |place| {
        let saga = both(false);
        let kairo = place.start_with(|bare| bare.saga(saga.clone())).await;
        let sagas = kairo.saga_of::<Both>().unwrap();
        let id = sagas.start(4).await.unwrap();
        // Neither ends before both have begun.
        assert_eq!(saga.seen.at_least(2).await, ["left", "right"]);
        saga.meet.open();
        assert_eq!(sagas.outcome(id).await.unwrap().completed().unwrap(), "4 4 even 4");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_step_that_need_not_run_is_skipped() {
    on_each_store(async |place| {
        let saga = both(false);
        saga.meet.open();
        let kairo = place.start_with(|bare| bare.saga(saga.clone())).await;
        let sagas = kairo.saga_of::<Both>().unwrap();
        assert_eq!(sagas.execute(3).await.unwrap().completed().unwrap(), "3 3 odd");
        assert!(!saga.seen.all().contains(&"even"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_level_is_undone_as_one() {
    on_each_store(async |place| {
        let saga = both(true);
        saga.meet.open();
        let kairo = place.start_with(|bare| bare.saga(saga.clone())).await;
        let sagas = kairo.saga_of::<Both>().unwrap();
        let outcome = sagas.execute(4).await.unwrap();
        let Outcome::Compensated { undone, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(undone, [BothStep::Left, BothStep::Right]);
        let mut last = saga.seen.all().split_off(2);
        last.sort_unstable();
        assert_eq!(last, ["not left", "not right"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
