//! Every way that small sagas can go: each attempt may succeed, fail in each of its ways, or be cut by
//! the end of the process, and somebody may cancel at any moment. Each state is visited once.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use super::{
    code::{Part, Plan, StepPlan, UndoPlan},
    machine::{Next, Now, next},
    settle::{Outcome, UNDO_FOR},
    state::State,
    verbs::Verb,
};
use crate::{
    blueprint::{OnUnknown, Stored, Takes, stored},
    clock::{Clock, Timestamp, after},
    handler::Class,
    journal::{Phase, SagaRow, slot::Slot},
    retry::RetryPolicy,
};

const BY_MAYBE: UndoPlan = UndoPlan::By { takes: Takes::Maybe, timeout: Duration::from_secs(1) };
const BY_OUTPUT: UndoPlan = UndoPlan::By { takes: Takes::Output, timeout: Duration::from_secs(1) };

fn plan(steps: &[(&'static str, &[usize], UndoPlan)], rollback: bool) -> Plan {
    let retry = RetryPolicy::new(1).backoff(Duration::from_secs(2));
    let step = |(name, after, undo): &(&'static str, &[usize], UndoPlan)| StepPlan {
        name,
        after: after.to_vec(),
        has_when: false,
        undo: *undo,
        on_unknown: OnUnknown::Compensate,
        retry,
        timeout: Duration::from_secs(1),
    };
    Plan {
        name: "explored",
        shape: 1,
        rollback,
        timeout: None,
        output: steps.len() - 1,
        steps: steps.iter().map(step).collect(),
        on_complete: false,
        on_error: false,
    }
}

fn unit() -> Stored {
    stored(()).expect("nothing can be stored")
}

/// A saga, and the world as it really is.
#[derive(Clone)]
struct World {
    state: State,
    time: Timestamp,
    in_flight: HashSet<Part>,
    cancelled: bool,
    crashes: u32,
    /// Steps whose effects are there.
    applied: BTreeSet<usize>,
}

impl World {
    fn new(plan: &Plan) -> Self {
        Self {
            state: State::new(plan, unit()),
            time: Timestamp::UNIX_EPOCH,
            in_flight: HashSet::new(),
            cancelled: false,
            crashes: 0,
            applied: BTreeSet::new(),
        }
    }

    /// What tells one world from another; times do not, because only their order matters.
    fn mark(&self) -> String {
        let mut in_flight: Vec<_> = self.in_flight.iter().map(|part| format!("{part:?}")).collect();
        in_flight.sort();
        let slots: Vec<_> = self.state.slots().map(without_times).collect();
        let Self { cancelled, crashes, applied, .. } = self;
        let failure = &self.state.failure;
        format!("{slots:?} {failure:?} {in_flight:?} {cancelled} {crashes} {applied:?}")
    }

    fn next(&self, plan: &Plan) -> Next {
        let Self { time, cancelled, in_flight, .. } = self;
        let now = Now { time: *time, cancelled: *cancelled, deadline: None, in_flight };
        next(plan, &self.state, now)
    }
}

fn without_times(slot: &Slot<Stored>) -> String {
    match slot {
        Slot::Running(running) => {
            let waits = running.attempts.due.is_some();
            format!("running {:?} {} {waits}", running.place, running.attempts.attempt)
        }
        Slot::Undoing(undoing) => {
            let attempts = &undoing.attempts;
            // How often a compensation has failed does not matter, only that it has.
            let (again, waits) = (1 < attempts.attempt, attempts.due.is_some());
            format!("undoing {:?} {again} {waits} {}", undoing.place, undoing.stuck)
        }
        slot => format!("{slot:?}"),
    }
}

/// How many worlds were seen, and in which phases they ended.
struct Seen {
    plan: Plan,
    marks: HashSet<String>,
    ends: BTreeSet<Phase>,
}

fn explore(plan: Plan) -> Seen {
    let mut seen = Seen { plan, marks: HashSet::new(), ends: BTreeSet::new() };
    let mut open = vec![World::new(&seen.plan)];
    while let Some(world) = open.pop() {
        if seen.marks.insert(world.mark()) {
            seen.follow(world, &mut open);
        }
    }
    seen
}

impl Seen {
    fn follow(&mut self, world: World, open: &mut Vec<World>) {
        if world.crashes < 2 {
            Self::crash(&world, open);
        }
        if !world.cancelled {
            open.push(World { cancelled: true, ..world.clone() });
        }
        for part in &world.in_flight {
            self.end_attempt(&world, *part, open);
        }
        let mut world = world;
        let decided = world.next(&self.plan);
        self.check(&world, &decided);
        match &decided {
            Next::Run(steps) => {
                world.in_flight.extend(steps.iter().map(|step| Part::Step(*step)));
            }
            Next::Undo(steps) => {
                world.in_flight.extend(steps.iter().map(|step| Part::Undo(*step)));
            }
            Next::Wait(None) => return,
            Next::Wait(Some(until)) => world.time = *until,
            Next::End(phase) => {
                self.ends.insert(*phase);
                return;
            }
            Next::Stuck(_) => {
                self.ends.insert(Phase::Stuck);
                return;
            }
            Next::Park(_) => {
                self.ends.insert(Phase::Parked);
                return;
            }
            _ => {}
        }
        world.state.decide(&decided, world.time);
        open.push(world);
    }

    /// The process ends: whatever ran may have had its effect, or not.
    fn crash(world: &World, open: &mut Vec<World>) {
        let parts: Vec<Part> = world.in_flight.iter().copied().collect();
        for had_effect in 0..1_u32 << parts.len() {
            let mut after = world.clone();
            after.crashes += 1;
            after.in_flight.clear();
            for (bit, part) in parts.iter().enumerate() {
                if had_effect & (1 << bit) != 0 {
                    apply(&mut after.applied, *part);
                }
            }
            // What is written is what comes back.
            let stored = after.state.write().expect("a state can be written");
            after.state = State::read(&stored).expect("a state can be read");
            open.push(after);
        }
    }

    fn end_attempt(&self, world: &World, part: Part, open: &mut Vec<World>) {
        let missed = |class| Outcome::Missed { class, errors: vec!["no".to_owned()] };
        // A retryable failure may come behind the effect, as when an answer is lost.
        let ways: [(Outcome, bool); 4] = [
            (Outcome::Done(unit()), true),
            (missed(Class::Permanent), false),
            (missed(Class::Retryable), false),
            (missed(Class::Retryable), true),
        ];
        for (outcome, has_effect) in ways {
            let mut after_it = world.clone();
            after_it.in_flight.remove(&part);
            if has_effect {
                apply(&mut after_it.applied, part);
            }
            after_it.state.settle(&self.plan, part, outcome, world.time, 0);
            if let Part::Undo(_) = part {
                // A compensation that fails for long enough is given up.
                after_it.time = after(world.time, UNDO_FOR / 3);
            }
            open.push(after_it);
        }
    }

    fn check(&self, world: &World, decided: &Next) {
        let slot = |index: usize| world.state.slot(index);
        match decided {
            Next::Run(steps) => {
                assert!(world.state.failure.is_none(), "nothing begins once something has failed");
                for step in steps {
                    let before = &self.plan.steps[*step].after;
                    assert!(before.iter().all(|it| matches!(slot(*it), Slot::Done(_))));
                    assert!(!world.in_flight.contains(&Part::Step(*step)), "an attempt at a time");
                }
            }
            Next::Undo(steps) => {
                for step in steps {
                    assert!(!world.in_flight.contains(&Part::Undo(*step)), "an attempt at a time");
                    for (later, plan) in self.plan.steps.iter().enumerate() {
                        let rests = plan.undo == UndoPlan::Nothing
                            || matches!(
                                slot(later),
                                Slot::Pending(_) | Slot::Failed(_) | Slot::Undone(_)
                            );
                        assert!(
                            rests || !plan.after.contains(step),
                            "what follows is undone before what it follows"
                        );
                    }
                }
            }
            Next::End(Phase::Completed) => {
                assert_eq!(world.applied.len(), self.plan.steps.len(), "every step has happened");
            }
            Next::End(Phase::Compensated) => {
                let left = world.applied.iter().filter(|step| {
                    self.plan.steps[**step].undo != UndoPlan::Nothing
                        && !matches!(slot(**step), Slot::Failed(_))
                });
                assert_eq!(left.count(), 0, "nothing that was done is left: {:?}", world.applied);
            }
            Next::Stuck(step) => {
                assert!(matches!(slot(*step), Slot::Undoing(it) if it.stuck));
            }
            _ => {}
        }
    }
}

fn apply(applied: &mut BTreeSet<usize>, part: Part) {
    match part {
        Part::Step(step) => drop(applied.insert(step)),
        Part::Undo(step) => drop(applied.remove(&step)),
        Part::OnComplete | Part::OnError => {}
    }
}

#[test]
fn a_chain_ends_completed_or_with_everything_undone_or_stuck() {
    let seen = explore(plan(
        &[("one", &[], BY_MAYBE), ("two", &[0], BY_MAYBE), ("three", &[0, 1], BY_MAYBE)],
        true,
    ));
    assert_eq!(seen.ends, [Phase::Stuck, Phase::Completed, Phase::Compensated].into());
    assert!(1_000 < seen.marks.len(), "{} worlds", seen.marks.len());
}

#[test]
fn steps_side_by_side_are_undone_side_by_side() {
    let seen = explore(plan(
        &[("left", &[], BY_MAYBE), ("right", &[], BY_OUTPUT), ("join", &[0, 1], BY_MAYBE)],
        true,
    ));
    assert_eq!(seen.ends, [Phase::Stuck, Phase::Completed, Phase::Compensated].into());
}

#[test]
fn without_rollback_nothing_is_undone() {
    let steps: [(&str, &[usize], UndoPlan); 2] = [("one", &[], BY_MAYBE), ("two", &[0], BY_MAYBE)];
    let seen = explore(plan(&steps, false));
    assert_eq!(seen.ends, [Phase::Completed, Phase::Failed].into());
}

#[test]
fn what_cannot_be_known_is_parked_on_request() {
    let mut plan = plan(&[("one", &[], BY_MAYBE), ("two", &[0], UndoPlan::Nothing)], true);
    plan.steps[0].on_unknown = OnUnknown::Park;
    let seen = explore(plan);
    assert!(seen.ends.contains(&Phase::Parked), "{:?}", seen.ends);
}

/// A row in a phase; nothing else of it matters here.
fn row(phase: Phase) -> SagaRow {
    let id = Clock::system().new_id();
    SagaRow {
        id,
        saga: "explored".to_owned(),
        key: None,
        shape: 1,
        phase,
        due: Timestamp::UNIX_EPOCH,
        cancelled: false,
        owner: None,
        epoch: 1,
        revision: 1,
        correlation: id,
        causation: None,
        depth: 0,
        started: Timestamp::UNIX_EPOCH,
        changed: Timestamp::UNIX_EPOCH,
        state: bytes::Bytes::new(),
    }
}

/// A saga that is stuck at its only step.
fn stuck() -> (Plan, State) {
    let plan = plan(&[("one", &[], BY_MAYBE), ("two", &[0], BY_MAYBE)], true);
    let mut world = World::new(&plan);
    let missed = || Outcome::Missed { class: Class::Permanent, errors: vec!["no".to_owned()] };
    let now = world.time;
    world.state.decide(&Next::Run(vec![0]), now);
    world.state.settle(&plan, Part::Step(0), Outcome::Done(unit()), now, 0);
    world.state.decide(&Next::Run(vec![1]), now);
    world.state.settle(&plan, Part::Step(1), missed(), now, 0);
    let failed = world.next(&plan);
    world.state.decide(&failed, now);
    world.state.decide(&Next::Undo(vec![0]), now);
    world.state.settle(&plan, Part::Undo(0), missed(), now, 0);
    assert_eq!(world.next(&plan), Next::Stuck(0));
    (plan, world.state)
}

#[track_caller]
fn check_steered(verb: &Verb, expected: &Next) {
    let (plan, mut state) = stuck();
    let now = Timestamp::UNIX_EPOCH;
    state.steer(&row(Phase::Stuck), verb, now).expect("a stuck saga can be steered");
    let in_flight = HashSet::new();
    let now = Now { time: now, cancelled: false, deadline: None, in_flight: &in_flight };
    assert_eq!(next(&plan, &state, now), *expected);
}

#[test]
fn a_stuck_saga_goes_on_as_somebody_decides() {
    check_steered(&Verb::Retry, &Next::Undo(vec![0]));
    check_steered(&Verb::RetryWith(unit()), &Next::Undo(vec![0]));
    check_steered(&Verb::Skip("paid back by hand".to_owned()), &Next::End(Phase::Compensated));
    check_steered(&Verb::Resume, &Next::Run(vec![1]));
}

#[test]
fn a_verb_in_the_wrong_state_changes_nothing_and_says_which() {
    for phase in [Phase::Running, Phase::Completed, Phase::Compensated] {
        for verb in [Verb::Retry, Verb::Skip("why".to_owned()), Verb::Resume, Verb::Compensate] {
            let (_, mut state) = stuck();
            let before = state.write().expect("a state can be written");
            let refused = state.steer(&row(phase), &verb, Timestamp::UNIX_EPOCH);
            let error = refused.expect_err("it is in the wrong state").to_string();
            assert!(error.contains(phase.word()), "{error}");
            assert_eq!(state.write().expect("a state can be written"), before);
        }
    }
}

#[test]
fn what_begins_anew_has_a_new_round_and_what_nobody_knows_its_old_one() {
    let (_, mut state) = stuck();
    let verb = Verb::Resume;
    state.steer(&row(Phase::Stuck), &verb, Timestamp::UNIX_EPOCH).expect("it is stuck");
    assert!(matches!(state.slot(0), Slot::Done(done) if done.place.round == 0));
    assert!(matches!(state.slot(1), Slot::Pending(pending) if pending.round == 1));
}
