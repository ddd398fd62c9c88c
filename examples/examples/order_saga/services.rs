//! The world outside: services that fail on request, and a bank that remembers what it was asked.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use kairo::prelude::*;

/// Where the bank keeps its books; they outlive this process, as those of a bank do.
const BOOKS: &str = "bank.txt";

/// The variable that makes the process end at a step.
pub const DIE_AT: &str = "ORDER_SAGA_DIE_AT";

#[derive(Debug, thiserror::Error, Classify)]
pub enum OrderError {
    #[error("the order was refused: {0}")]
    #[permanent]
    Refused(String),
    #[error("the service does not answer")]
    Busy,
    #[error("the bank's books cannot be written: {0}")]
    Books(#[from] io::Error),
}

/// What is outside of this process.
#[derive(Debug, Default)]
pub struct Services {
    /// The step that is refused.
    refused: Mutex<Option<&'static str>>,
    /// The step whose service does not answer the first time.
    busy: Mutex<Option<&'static str>>,
}

impl Services {
    /// From now on this step is refused.
    pub fn refuse(&self, step: Option<&'static str>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// The service of this step does not answer the next time.
    pub fn tire(&self, step: &'static str) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    /// What happens when a step asks its service.
    pub fn at(&self, step: &'static str) -> Result<(), OrderError> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.take_if(|busy| *busy == step).is_some() {
            println!("  {step}: no answer");
            return Err(OrderError::Busy);
        }
        match *self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(refused) if refused == step => Err(OrderError::Refused(format!("{step} said no"))),
            _ => Ok(()),
        }
    }

    /// Takes money once for each key, whoever asks how often.
    pub fn charge(cents: u64, key: &IdempotencyKey) -> Result<String, OrderError> {
        let books = fs::read_to_string(BOOKS).unwrap_or_default();
        let known = books.lines().position(|line| line == key.to_string());
        let Some(number) = known else {
            let mut file = OpenOptions::new().create(true).append(true).open(BOOKS)?;
            writeln!(file, "{key}")?;
            println!("  charged: {cents} cents");
            if std::env::var(DIE_AT).is_ok_and(|step| step == "charge_payment") {
                println!("  the process ends, before it could write down that it has charged");
                std::process::abort();
            }
            return Ok(format!("payment-{}", books.lines().count() + 1));
        };
        println!("  charged already under this key: {cents} cents");
        Ok(format!("payment-{}", number + 1))
    }
}
