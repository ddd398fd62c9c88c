//! Analytics: every event of the shop, whatever its type.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kairo::prelude::*;

use crate::stage::Stage;

pub struct AnalyticsService {
    stage: Stage,
    seen: Mutex<HashMap<String, u64>>,
}

#[handlers]
impl AnalyticsService {
    pub fn new(stage: Stage) -> Self {
        Self { stage, seen: Mutex::default() }
    }

    #[handler(pattern = "**", name = "analytics")]
    async fn track(&self, event: &AnyEvent) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(event.name().to_owned()).or_default();
        *count += 1;
        self.stage.say("analytics", format!("{} number {count}", event.name()));
    }
}
