//! Processes that are killed, again and again, on one file, and what must be true afterwards.
//!
//! The test starts its own binary as the process to be killed: [`life`] is that process.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends the test")]

mod accounts;
mod audit;
mod bulk;
mod life;
mod parcels;
mod parent;
mod poison;
mod shop;
#[cfg(unix)]
mod signals;

use kairo_tests::support::{Dice, Folder};

use self::parent::End;

/// How many lives end by SIGKILL.
const KILLS: u32 = 220;

/// Of as many lives, one ends cleanly; what is in flight then runs side by side in the next.
const CLEAN_EACH: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_overtaken_however_often_the_process_is_killed() {
    let folder = Folder::new();
    let mut dice = Dice::seeded();
    let mut killed = 0;
    for life in 0.. {
        if killed == KILLS {
            break;
        }
        // Some do not get further than their start.
        let lifetime = if life < 30 { dice.between(1, 20) } else { dice.between(10, 120) };
        let end = if life % CLEAN_EACH == 0 { End::Asked } else { End::Killed };
        killed += u32::from(end == End::Killed);
        parent::live(&folder, "shop", dice.between(0, u64::MAX), lifetime, end).await;
    }
    let kairo = shop::settle(&folder).await;
    let told = audit::audit(&folder, &kairo).await;
    kairo.shutdown().await.unwrap();
    drop(kairo);
    audit::integrity(&folder);
    println!("{killed} kills: {told}");
}

#[tokio::test]
async fn an_event_that_kills_its_process_is_dead_after_five_lone_flights() {
    poison::check().await;
}

#[tokio::test]
async fn a_bulk_reprocess_goes_on_where_a_kill_has_ended_it() {
    bulk::check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_end_and_leave_no_half_done_thing_however_often_the_process_is_killed() {
    parcels::check(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_of_killed_processes_are_undone_by_compensations_that_fail_at_first() {
    parcels::check(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_and_log_agree_however_often_the_process_is_killed_in_a_transaction() {
    accounts::check().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_and_its_event_is_handled_again() {
    signals::check().await;
}

#[test]
#[ignore = "it is the process that the other tests kill"]
fn one_life() {
    life::run();
}
