//! Whether a participant does what is measured: appends at the right version alone, and loads what it stored.

use anyhow::Result;
use uuid::Uuid;

use crate::{Appended, Balance, Deposited, Reply, Store};

/// Tries right and wrong appends, and then loads the stream.
pub(crate) async fn check<S: Store>(store: &S) -> Result<Reply> {
    let stream = Uuid::new_v4();
    let first = store.append(stream, 0, &Deposited::row(0, 1)).await?;
    let next = store.append(stream, 1, &Deposited::row(1, 2)).await?;
    let mut checked =
        vec![("appends".to_owned(), [first, next] == [Appended::Stored, Appended::Stored])];
    let wrong = [("refuses a stale version", 1), ("refuses a second beginning", 0)];
    for (what, version) in wrong {
        let appended = store.append(stream, version, &Deposited::row(9, 1)).await?;
        checked.push((what.to_owned(), appended == Appended::Refused));
    }
    checked.push(("loads".to_owned(), store.load(stream).await? == Balance::of_row(3)));
    // The last, since whoever takes it has a hole in the stream.
    let ahead = store.append(stream, 7, &Deposited::row(9, 1)).await?;
    checked.push(("refuses a version ahead".to_owned(), ahead == Appended::Refused));
    Ok(Reply::Checked(checked))
}
