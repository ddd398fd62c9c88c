//! A trip of three bookings, and a world that fails as it is told.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use kairo::{prelude::*, saga::SagaRef};
use kairo_tests::support::{Gate, Journal, Place};

/// How a booking goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// It says no.
    No,
    /// It does not answer, and has not happened.
    Silent,
    /// It happens, and does not answer.
    Lost,
    Panic,
    /// It waits at the gate.
    Wait(Gate),
}

/// What bookings are told, and what they did.
#[derive(Clone, Default)]
pub(crate) struct World {
    /// What goes wrong at each step, and how often; 0 is for ever.
    mishaps: Arc<Mutex<HashMap<&'static str, (Mishap, u32)>>>,
    /// What began, in order.
    pub(crate) seen: Journal<String>,
    /// What is booked, by its key.
    pub(crate) booked: Arc<Mutex<HashMap<Uuid, &'static str>>>,
}

impl World {
    /// From now on this goes wrong, so often; 0 is for ever.
    pub(crate) fn mishap(&self, step: &'static str, mishap: Mishap, times: u32) {
        self.mishaps.lock().unwrap().insert(step, (mishap, times));
    }

    fn next_mishap(&self, step: &str) -> Option<Mishap> {
        let mut mishaps = self.mishaps.lock().unwrap();
        let (mishap, times) = mishaps.get_mut(step)?;
        let next = mishap.clone();
        match times {
            0 => {}
            1 => drop(mishaps.remove(step)),
            times => *times -= 1,
        }
        Some(next)
    }

    async fn book(&self, step: &'static str, key: &IdempotencyKey) -> Result<(), Failure> {
        self.seen.note(step.to_owned());
        let mishap = self.next_mishap(step);
        let happens = !matches!(mishap, Some(Mishap::No | Mishap::Silent | Mishap::Panic));
        if happens {
            self.booked.lock().unwrap().insert(key.id(), step);
        }
        match mishap {
            None => Ok(()),
            Some(Mishap::No) => Err(Failure::permanent(format!("no {step}"))),
            Some(Mishap::Silent | Mishap::Lost) => {
                Err(Failure::retryable(format!("{step} does not answer")))
            }
            Some(Mishap::Panic) => panic!("{step} panics"),
            Some(Mishap::Wait(gate)) => {
                gate.pass().await;
                Ok(())
            }
        }
    }

    async fn cancel(&self, undo: &'static str, step: &str) -> Result<(), Failure> {
        self.seen.note(undo.to_owned());
        match self.next_mishap(undo) {
            Some(Mishap::No) => return Err(Failure::permanent(format!("no {undo}"))),
            Some(Mishap::Wait(gate)) => gate.pass().await,
            Some(_) => return Err(Failure::retryable(format!("{undo} does not answer"))),
            None => {}
        }
        self.booked.lock().unwrap().retain(|_, booked| *booked != step);
        Ok(())
    }

    /// The steps that are booked, sorted.
    pub(crate) fn bookings(&self) -> Vec<&'static str> {
        let mut booked: Vec<_> = self.booked.lock().unwrap().values().copied().collect();
        booked.sort_unstable();
        booked
    }
}

#[data]
#[derive(PartialEq)]
pub(crate) struct Wish {
    pub(crate) to: String,
}

#[data]
#[derive(PartialEq)]
pub(crate) struct Flight(pub(crate) String);

#[data]
#[derive(PartialEq)]
pub(crate) struct Hotel(pub(crate) String);

#[data]
#[derive(PartialEq)]
pub(crate) struct Car(pub(crate) String);

#[derive(Clone, Default)]
pub(crate) struct Trip {
    pub(crate) world: World,
}

#[saga("trip", timeout = "2h")]
impl Trip {
    #[step(retry(max = 2, backoff = "10ms"))]
    async fn flight(&self, wish: &Wish, key: IdempotencyKey) -> Result<Flight, Failure> {
        self.world.book("flight", &key).await?;
        Ok(Flight(format!("flight to {}", wish.to)))
    }

    #[compensate(flight)]
    async fn no_flight(&self, _flight: Option<&Flight>) -> Result<(), Failure> {
        self.world.cancel("no_flight", "flight").await
    }

    #[step(retry(max = 2, backoff = "10ms"), timeout = "30m")]
    async fn hotel(&self, wish: &Wish, key: IdempotencyKey) -> Result<Hotel, Failure> {
        self.world.book("hotel", &key).await?;
        Ok(Hotel(format!("hotel in {}", wish.to)))
    }

    #[compensate(hotel)]
    async fn no_hotel(&self, _hotel: &Hotel, _wish: &Wish) -> Result<(), Failure> {
        self.world.cancel("no_hotel", "hotel").await
    }

    #[step(retry(max = 2, backoff = "10ms"))]
    async fn car(
        &self,
        hotel: &Hotel,
        flight: &Flight,
        key: IdempotencyKey,
    ) -> Result<Car, Failure> {
        self.world.book("car", &key).await?;
        Ok(Car(format!("{} and {}", flight.0, hotel.0)))
    }

    #[compensate(car)]
    async fn no_car(&self) -> Result<(), Failure> {
        self.world.cancel("no_car", "car").await
    }
}

pub(crate) fn wish() -> Wish {
    Wish { to: "Lisbon".to_owned() }
}

/// A bus that runs trips, in a world.
pub(crate) async fn travel(place: &Place, world: &World) -> (Kairo, SagaRef<Trip>) {
    let trip = Trip { world: world.clone() };
    let kairo = place.start_with(|bare| bare.saga(trip.clone())).await;
    let trips = kairo.saga_of::<Trip>().unwrap();
    (kairo, trips)
}
