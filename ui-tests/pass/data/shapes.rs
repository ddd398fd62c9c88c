#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Payload values need no serde of their own.

use kairo::prelude::*;

#[data]
#[derive(Default, PartialEq)]
struct Money {
    cents: u64,
}

#[data]
enum Tier {
    Free,
    Pro(Money),
}

#[data]
struct Page<T> {
    items: Vec<T>,
}

#[event("tier.changed")]
struct TierChanged {
    tier: Tier,
    page: Page<Money>,
    by_name: std::collections::BTreeMap<String, Money>,
}

fn main() {
    let json = r#"{"tier": {"Pro": {"cents": 3}}, "page": {"items": []}, "by_name": {}}"#;
    let event: TierChanged = AnyEvent::from_json("tier.changed", json).unwrap().decode().unwrap();
    assert!(matches!(event.tier, Tier::Pro(money) if money == Money { cents: 3 }));
    assert!(event.page.items.is_empty() && event.by_name.is_empty());
    let _ = Tier::Free;
}
