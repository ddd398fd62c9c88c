//! Customers: a service that publishes what it does, and knows nobody who listens.

use kairo::prelude::*;

use crate::events::UserCreated;

pub struct UserService {
    publisher: Publisher,
}

impl UserService {
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }

    /// Returns once the customer is in the log; mails and profiles follow by themselves.
    pub async fn create(&self, name: &str, email: &str) -> kairo::Result<Uuid> {
        let user_id = Uuid::now_v7();
        let created = UserCreated { user_id, name: name.into(), email: email.into() };
        self.publisher.publish(created).await?;
        Ok(user_id)
    }
}
