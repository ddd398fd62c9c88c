//! A user, as the events tell it: the state is never stored, only what has happened.

use kairo::prelude::*;

#[event("user.created")]
pub struct UserCreated {
    #[key]
    pub user_id: u32,
    pub name: String,
    pub email: String,
}

/// What changed; the rest stays.
#[event("user.updated")]
pub struct UserUpdated {
    #[key]
    pub user_id: u32,
    pub name: Option<String>,
    pub email: Option<String>,
}

#[event("user.suspended")]
pub struct UserSuspended {
    #[key]
    pub user_id: u32,
    pub reason: String,
}

#[data]
#[derive(Copy, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Active,
    Suspended,
}

/// `#[data]`, because a snapshot of it is taken after every hundred events.
#[data]
#[derive(Default)]
pub struct User {
    pub user_id: u32,
    pub name: String,
    pub email: String,
    pub status: Status,
}

/// What has happened is applied, whatever it was; what may happen is decided below.
#[aggregate("user", snapshot_every = 100)]
impl User {
    #[apply]
    fn created(&mut self, event: &UserCreated) {
        self.user_id = event.user_id;
        self.name.clone_from(&event.name);
        self.email.clone_from(&event.email);
    }

    #[apply]
    fn updated(&mut self, event: UserUpdated) {
        self.name = event.name.unwrap_or_else(|| self.name.clone());
        self.email = event.email.unwrap_or_else(|| self.email.clone());
    }

    #[apply]
    fn suspended(&mut self, _event: &UserSuspended) {
        self.status = Status::Suspended;
    }
}

/// Decisions take the state, and return events.
impl User {
    pub fn rename(&self, name: &str) -> Option<UserUpdated> {
        let event = UserUpdated { user_id: self.user_id, name: Some(name.to_owned()), email: None };
        (self.name != name).then_some(event)
    }

    pub fn suspend(&self, reason: &str) -> Result<UserSuspended, AlreadySuspended> {
        match self.status {
            Status::Active => {
                Ok(UserSuspended { user_id: self.user_id, reason: reason.to_owned() })
            }
            Status::Suspended => Err(AlreadySuspended),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the user is suspended already")]
pub struct AlreadySuspended;
