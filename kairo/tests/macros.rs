//! The attributes, seen from a crate that uses them.
#![deny(warnings)]
#![forbid(unsafe_code)]

use kairo::{
    __private::{EventEntry, HandlerEntry, Listen},
    prelude::*,
};

#[event("user.created")]
struct UserCreated {
    #[key]
    user_id: Uuid,
    name: String,
}

#[data]
enum Tier {
    Free,
    Pro(u8),
}

#[event("user.upgraded", stream = "user-{user_id}")]
struct UserUpgraded {
    user_id: u64,
    tier: Tier,
}

#[events]
enum UserEvent {
    Created(UserCreated),
    Upgraded(UserUpgraded),
}

#[events("user.*")]
enum OpenUserEvent {
    Created(UserCreated),
    #[other]
    Other(AnyEvent),
}

#[events(prefix = "order")]
enum OrderEvent {
    Placed {
        #[key]
        order_id: Uuid,
        total: u64,
    },
    PaymentFailed(String),
    Closed,
}

#[handler]
async fn any_user(event: &UserEvent) {
    match event {
        UserEvent::Created(user) => println!("{}", user.name),
        UserEvent::Upgraded(user) => println!("{}", user.user_id),
    }
}

#[handler(pattern = "user.*", filter = is_known)]
async fn open_user(event: OpenUserEvent) {
    match event {
        OpenUserEvent::Created(user) => println!("{}", user.name),
        OpenUserEvent::Other(event) => println!("{}", event.name()),
    }
}

fn is_known(event: &OpenUserEvent) -> bool {
    matches!(event, OpenUserEvent::Created(_))
}

#[handler(regex = "order\\..*")]
async fn any_order(event: Envelope<OrderEvent>) {
    match event.payload() {
        OrderEvent::Placed { order_id, total } => println!("{order_id} {total}"),
        OrderEvent::PaymentFailed(why) => println!("{why}"),
        OrderEvent::Closed => {}
    }
}

#[handler(event = "order.placed", filter = is_large)]
async fn placed(event: &OrderPlaced) -> Vec<OrderClosed> {
    println!("{}", event.total);
    vec![OrderClosed]
}

fn is_large(event: &OrderPlaced) -> bool {
    100 < event.total
}

struct Mailer;

#[handler(event = "user.created")]
async fn welcome(user: &UserCreated) {
    println!("Welcome {}!", user.name);
}

const UPGRADE_LINE: u32 = line!() + 8;

#[handler(
    event = "user.upgraded",
    name = "upgrade",
    retry(max = 5, backoff = "2s", exponential, jitter),
    timeout = "30s"
)]
async fn upgrade(
    event: Envelope<UserUpgraded>,
    _mailer: State<Mailer>,
    attempt: &Attempt,
) -> Result<UserCreated, std::io::Error> {
    let _ = (attempt.get(), matches!(event.tier, Tier::Pro(1) | Tier::Free));
    Ok(UserCreated { user_id: Uuid::nil(), name: "Ada".into() })
}

#[handler(pattern = "**")]
async fn track(_event: &AnyEvent) {}

#[on_dead_letter]
async fn alert(_letter: &kairo::delivery::DeadLetter) {}

struct Notifications;

#[handlers]
impl Notifications {
    #[handler(event = "user.created")]
    async fn welcome(&self, _user: UserCreated) -> Option<UserUpgraded> {
        None
    }

    #[on_dead_letter(name = "ops")]
    async fn alert(
        &self,
        _letter: &kairo::delivery::DeadLetter,
        _own: State<Self>,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn everything_is_registered() {
    let events: Vec<_> = kairo::__private::inventory::iter::<EventEntry>
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert!(events.contains(&"user.created") && events.contains(&"user.upgraded"));
    let mut handlers: Vec<_> = kairo::__private::inventory::iter::<HandlerEntry>
        .into_iter()
        .map(|entry| (entry.name, entry.path))
        .collect();
    handlers.sort_unstable();
    assert_eq!(
        handlers,
        [
            ("macros::Notifications::welcome", "macros::Notifications::welcome"),
            ("macros::alert", "macros::alert"),
            ("macros::any_order", "macros::any_order"),
            ("macros::any_user", "macros::any_user"),
            ("macros::open_user", "macros::open_user"),
            ("macros::placed", "macros::placed"),
            ("macros::track", "macros::track"),
            ("macros::welcome", "macros::welcome"),
            ("ops", "macros::Notifications::alert"),
            ("upgrade", "macros::upgrade"),
        ]
    );
    let entry = kairo::__private::inventory::iter::<HandlerEntry>
        .into_iter()
        .find(|entry| entry.name == "upgrade")
        .unwrap();
    assert!(matches!(entry.listen, Listen::Event("user.upgraded")));
    assert_eq!(entry.location.line, UPGRADE_LINE);
    assert_eq!((entry.needs)().len(), 1);
}

#[test]
fn the_key_names_the_stream() {
    let user = UserCreated { user_id: Uuid::nil(), name: String::new() };
    assert_eq!(user.stream().as_deref(), Some("user-00000000-0000-0000-0000-000000000000"));
    let upgraded = UserUpgraded { user_id: 7, tier: Tier::Pro(1) };
    assert_eq!(upgraded.stream().as_deref(), Some("user-7"));
}

#[test]
fn a_set_decodes_its_members_by_name() {
    let event = AnyEvent::from_json("order.payment-failed", "\"no card\"").unwrap();
    assert!(
        matches!(OrderEvent::decode_set(&event), Ok(OrderEvent::PaymentFailed(why)) if why == "no card")
    );
    assert!(UserEvent::decode_set(&event).is_err());
    assert!(matches!(OpenUserEvent::decode_set(&event), Ok(OpenUserEvent::Other(_))));
    assert_eq!(OrderEvent::NAMES, ["order.placed", "order.payment-failed", "order.closed"]);
    assert!(matches!(OrderEvent::from(OrderClosed), OrderEvent::Closed));
}
