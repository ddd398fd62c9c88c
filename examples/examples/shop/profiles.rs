//! Handlers that are plain functions, with the application's state in their arguments.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use kairo::prelude::*;

use crate::{
    events::{PageViewed, UserCreated},
    stage::Stage,
};

/// The profiles, by customer.
#[derive(Default)]
pub struct Profiles {
    names: Mutex<HashMap<Uuid, String>>,
}

#[handler(event = "user.created")]
async fn create_profile(user: &UserCreated, profiles: State<Profiles>, stage: State<Stage>) {
    let mut names = profiles.names.lock().unwrap_or_else(PoisonError::into_inner);
    // An event may come twice, and this does the same both times.
    names.insert(user.user_id, user.name.clone());
    stage.say("profiles", format!("{} has a profile", user.name));
}

/// How many pages have been viewed since the shop opened.
#[derive(Clone, Default)]
pub struct PageCounter {
    views: Arc<AtomicU64>,
}

impl PageCounter {
    pub fn views(&self) -> u64 {
        self.views.load(Ordering::Relaxed)
    }
}

#[handler(event = "page.viewed")]
async fn count_page(_viewed: &PageViewed, counter: State<PageCounter>) {
    counter.views.fetch_add(1, Ordering::Relaxed);
}
