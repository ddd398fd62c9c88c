//! What a pipeline costs beside its stages: against the same calls, one awaited after the other by hand.

#[allow(dead_code, reason = "each bench uses its part")]
mod runner;

use std::{future::Future, hint::black_box};

use kairo::{pipeline::PipelineRef, prelude::*};
use runner::{Promise, Runner, Stopwatch};
use tokio::runtime::{self, Runtime};

/// How many stages a round passes.
const STAGES: u64 = 4_000_000;

/// What flows: as much as a small order.
#[derive(Clone)]
struct Order {
    id: u64,
    cents: u64,
    lines: [u64; 4],
}

impl Order {
    const fn new(id: u64) -> Self {
        Self { id, cents: 4_900, lines: [1, 2, 3, 4] }
    }

    fn step(mut self) -> Self {
        self.cents = black_box(self.cents + self.lines[0] + self.id % 2);
        self
    }
}

/// A pipeline of one stage, and the same by hand.
struct One;

#[pipeline("one")]
impl One {
    #[map]
    async fn a(&self, order: Order) -> Result<Order, Failure> {
        Ok(order.step())
    }
}

/// A pipeline of ten stages.
struct Ten;

/// Writes ten stages, with these options.
macro_rules! ten {
    ($type:ident, $name:literal, $($options:tt)*) => {
        #[pipeline($name)]
        impl $type {
            #[map $($options)*]
            async fn a(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn b(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn c(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn d(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn e(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn f(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn g(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn h(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn i(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
            #[map $($options)*]
            async fn j(&self, order: Order) -> Result<Order, Failure> { Ok(order.step()) }
        }
    };
}

ten!(Ten, "ten",);

/// The same with retries and time-outs, which nothing needs.
struct Careful;

ten!(Careful, "careful", (retry(max = 3), timeout = "5s"));

/// The stages of a pipeline, one after the other by hand.
async fn by_hand(order: Order) -> Result<Order, Failure> {
    let ten = Ten;
    let order = ten.a(order).await?;
    let order = ten.b(order).await?;
    let order = ten.c(order).await?;
    let order = ten.d(order).await?;
    let order = ten.e(order).await?;
    let order = ten.f(order).await?;
    let order = ten.g(order).await?;
    let order = ten.h(order).await?;
    let order = ten.i(order).await?;
    ten.j(order).await
}

/// Nanoseconds for each stage, when `run` passes `stages` of them.
fn each<F: Future>(runtime: &Runtime, count: u64, stages: u64, run: impl Fn(Order) -> F) -> f64 {
    runtime.block_on(async {
        let watch = Stopwatch::start();
        for id in 0..count {
            black_box(run(black_box(Order::new(id))).await);
        }
        watch.nanos_each(count * stages)
    })
}

fn compare<P>(runner: &Runner, runtime: &Runtime, row: &str, bound: f64, pipeline: &PipelineRef<P>)
where
    P: kairo::Pipeline<Input = Order, Output = Order>,
{
    let count = runner.work(STAGES / 10);
    let limit = || each(runtime, count, 10, by_hand);
    let kairo = || each(runtime, count, 10, |order| pipeline.execute(order));
    runner.compare(row, "ns", Promise::Beyond(bound), limit, kairo);
}

fn main() {
    let runner = Runner::new("pipeline: ten stages, nanoseconds per stage; one, per run");
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let kairo = runtime
        .block_on(Kairo::builder().store("memory:").start())
        .expect("a bus without handlers starts");
    let (ten, careful) = (kairo.pipeline(Ten), kairo.pipeline(Careful));
    compare(&runner, &runtime, "a stage of ten", 100.0, &ten);
    compare(&runner, &runtime, "a stage of ten, with retries and time-outs armed", 150.0, &careful);
    let (one, count) = (kairo.pipeline(One), runner.work(STAGES / 10));
    let limit = || each(&runtime, count, 1, async |order| One.a(order).await);
    let kairo = || each(&runtime, count, 1, |order| one.execute(order));
    runner.compare("a run of one stage", "ns", Promise::Beyond(1_000.0), limit, kairo);
}
