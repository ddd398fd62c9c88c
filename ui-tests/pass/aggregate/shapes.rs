#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! What an `#[apply]` method can be, with a generated enum and a declared one.

use kairo::{clock::Timestamp, prelude::*};

/// A user came.
#[event("user.created")]
pub struct UserCreated {
    /// Who.
    #[key]
    pub user_id: u64,
    /// The name.
    pub name: String,
}

#[event("user.renamed")]
struct UserRenamed {
    #[key]
    user_id: u64,
    name: String,
}

#[event("user.suspended")]
struct UserSuspended;

/// A user.
#[derive(Clone, Debug, Default)]
pub struct User {
    user_id: u64,
    name: String,
    renamed: Option<Timestamp>,
    suspended: bool,
}

#[aggregate("user")]
impl User {
    #[apply]
    fn created(&mut self, event: UserCreated) {
        self.user_id = event.user_id;
        self.name = event.name;
    }

    #[apply]
    fn renamed(&mut self, event: &Envelope<UserRenamed>) {
        self.renamed = Some(event.time());
        self.name.clone_from(&event.name);
    }

    #[apply]
    fn suspended(&mut self, _: &UserSuspended) {
        self.suspended = true;
    }

    fn rename(&self, name: &str) -> Vec<UserRenamed> {
        vec![UserRenamed { user_id: self.user_id, name: name.to_owned() }]
    }

    fn suspend(&self) -> Result<Option<UserSuspended>, String> {
        if self.user_id == 0 {
            return Err("there is no such user".to_owned());
        }
        Ok((!self.suspended).then_some(UserSuspended))
    }
}

#[events]
enum AccountEvent {
    Opened(UserCreated),
    Closed(UserSuspended),
}

/// Made by its first event, checked against a declared enum, and kept.
#[data]
struct Account {
    owner: String,
    open: bool,
}

#[aggregate("user", event = AccountEvent, strict, snapshot_every = 100, snapshot_version = 2)]
impl Account {
    #[apply(init)]
    fn opened(event: &UserCreated) -> Self {
        Self { owner: event.name.clone(), open: true }
    }

    #[apply]
    fn closed(&mut self, _event: UserSuspended) {
        self.open = false;
    }
}

#[events]
enum OpenEvent {
    Opened(UserCreated),
    #[other]
    Other(AnyEvent),
}

mod inner {
    use super::UserSuspended;

    #[derive(Default)]
    pub(super) struct Watcher {
        pub(super) suspended: bool,
    }

    #[kairo::aggregate("user", event = super::OpenEvent, crate = ::kairo)]
    impl Watcher {
        #[kairo::apply]
        fn r#type(&mut self, _event: &UserSuspended) {
            self.suspended = true;
        }

        #[apply]
        fn opened(&mut self, _event: &super::UserCreated) {
            self.suspended = false;
        }
    }
}

async fn use_it(kairo: &Kairo) -> kairo::Result<()> {
    let user = kairo.aggregate::<User>(7).load().await?;
    println!("{} {} {:?} {}", user.version(), user.name, user.renamed, user.suspended);
    kairo.aggregate::<User>(7).change(|user| user.rename("Ada")).await?;
    if let Err(refusal) = kairo.aggregate::<User>(7).change(User::suspend).await? {
        println!("{refusal}");
    }
    let account = kairo.aggregate::<Account>("7").at_version(1).load().await?;
    println!("{} {}", account.owner, account.open);
    let watcher = kairo.aggregate::<inner::Watcher>(Uuid::nil()).find().await?;
    println!("{:?}", watcher.map(|watcher| watcher.suspended));
    Ok(())
}

fn is_send(kairo: &Kairo) -> impl Future<Output = kairo::Result<()>> + Send {
    use_it(kairo)
}

fn main() {
    // The methods stay callable as they were written.
    let mut user = User::default();
    user.created(UserCreated { user_id: 7, name: "Bob".into() });
    user.suspended(&UserSuspended);
    assert!(user.suspended && user.user_id == 7);
    let account = Account::opened(&UserCreated { user_id: 7, name: "Bob".into() });
    assert!(account.open);
    assert_eq!(UserEvent::NAMES, ["user.created", "user.renamed", "user.suspended"]);
    let event = UserEvent::from(UserSuspended);
    assert!(matches!(event, UserEvent::Suspended(UserSuspended)));
    let _ = is_send;
    let _ = AccountEvent::from(UserSuspended).clone();
    let _ = OpenEvent::from(UserCreated { user_id: 7, name: "Bob".into() });
}
