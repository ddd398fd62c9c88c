//! What follows changes of users: a search index, marketing lists, caches. They are stand-ins that
//! print what they are asked to do.

use tokio::sync::mpsc;

use crate::user::User;

/// The services, and a bell that says when a handler is done with all of them.
#[derive(Clone)]
pub struct Services {
    bell: mpsc::UnboundedSender<()>,
}

#[expect(clippy::unused_self, reason = "real services have clients in them")]
impl Services {
    pub fn new() -> (Self, Bell) {
        let (bell, rings) = mpsc::unbounded_channel();
        (Self { bell }, Bell { rings })
    }

    pub fn index_user(&self, user: &User) {
        println!("  search: {} is {:?}", user.name, user.status);
    }

    pub fn add_to_welcome_list(&self, email: &str) {
        println!("  marketing: {email} is welcome");
    }

    pub fn invalidate(&self, key: &str) {
        println!("  cache: {key} is old");
    }

    pub fn remove_user(&self, id: &str) {
        println!("  search: {id} is gone");
    }

    pub fn delete_profile(&self, id: &str) {
        println!("  profiles: {id} is gone");
    }

    pub fn delete_preferences(&self, id: &str) {
        println!("  notifications: {id} is gone");
    }

    /// The last that a handler does.
    pub fn done(&self) {
        // Nobody listens any more when the example ends.
        let _ = self.bell.send(());
    }
}

/// Rings whenever a handler is done.
pub struct Bell {
    rings: mpsc::UnboundedReceiver<()>,
}

impl Bell {
    pub async fn ring(&mut self) {
        self.rings.recv().await;
    }
}
