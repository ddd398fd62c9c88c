use kairo::prelude::*;

struct Checkout<T>(T);

#[saga("checkout")]
impl<T> Checkout<T> {
    #[step]
    async fn charge(&self) {}
}

fn main() {}
