//! Several changes together.

use kairo::{Error, prelude::*};
use kairo_tests::support::{logged, on_each_store};

use crate::{User, UserPatch, says, user};

#[repository("wallets")]
#[derive(PartialEq)]
struct Wallet {
    #[id]
    owner: u64,
    cents: u64,
    #[version]
    version: u64,
}

fn wallet(owner: u64, cents: u64) -> Wallet {
    Wallet { owner, cents, version: 0 }
}

#[tokio::test]
async fn changes_in_a_transaction_take_effect_together() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let (users, wallets) = (kairo.repository::<User>(), kairo.repository::<Wallet>());
        kairo
            .transaction(async |tx| {
                users.create_in(tx, user(7, "Ada")).await?;
                wallets.create_in(tx, wallet(7, 100)).await?;
                // What it has changed it sees.
                assert_eq!(wallets.get_in(tx, 7).await?.cents, 100);
                wallets.update_in(tx, 7, WalletPatch::new().cents(90)).await?;
                let left = wallets.update_with_in(tx, 7, |it| it.cents -= 40).await?;
                assert_eq!((left.cents, left.version), (50, 1));
                assert!(!users.exists(7).await?);
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(wallets.get(7).await.unwrap(), Wallet { version: 1, ..wallet(7, 50) });
        assert_eq!(users.get(7).await.unwrap(), user(7, "Ada"));
        assert_eq!(logged(&kairo, "wallets.updated").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(8, "Bob")).await.unwrap();
        let failed = kairo.transaction(async |tx| {
            users.create_in(tx, user(7, "Ada")).await?;
            users.delete_in(tx, 8).await?;
            users.upsert_in(tx, user(9, "Cy")).await?;
            Err::<(), _>(Failure::permanent("no"))
        });
        says(failed.await, "the transaction was undone: no");
        let taken = kairo.transaction(async |tx| {
            users.update_in(tx, 8, UserPatch::new().age(1)).await?;
            users.create_in(tx, User { email: "bob@example.com".into(), ..user(7, "Ada") }).await?;
            Ok(())
        });
        assert!(matches!(taken.await, Err(Error::ValueTaken { .. })));
        assert_eq!(users.all().await.unwrap(), [user(8, "Bob")]);
        assert_eq!(logged(&kairo, "users.created").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_unique_value_can_move_in_one_transaction() {
    on_each_store(|place| async move {
        let kairo = place.start().await;
        let users = kairo.repository::<User>();
        users.create(user(7, "Ada")).await.unwrap();
        users.create(user(8, "Bob")).await.unwrap();
        kairo
            .transaction(async |tx| {
                users.update_in(tx, 7, UserPatch::new().email("bob@example.com")).await?;
                users.update_in(tx, 8, UserPatch::new().email("ada@example.com")).await?;
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(users.get(8).await.unwrap().email, "ada@example.com");
    })
    .await;
}
