//! The process may end at every point of a saga.

use kairo::testing::sagas::CrashTest;

use super::trip::{Trip, wish};

#[tokio::test]
async fn a_trip_is_booked_or_leaves_nothing_behind_wherever_the_process_ends() {
    let test = CrashTest::new(Trip::default, wish);
    let runs = test.run(|trip, outcome| {
        let booked = trip.world.bookings();
        let expected: &[&str] =
            if outcome.is_completed() { &["car", "flight", "hotel"] } else { &[] };
        assert_eq!(booked, expected);
    });
    assert!(300 < runs.await);
}
