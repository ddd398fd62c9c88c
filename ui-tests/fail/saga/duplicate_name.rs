mod a {
    struct Checkout;

    #[kairo::saga("checkout")]
    impl Checkout {
        #[step]
        async fn charge(&self) {}
    }
}

mod b {
    struct Payout;

    #[kairo::saga("checkout")]
    impl Payout {
        #[step]
        async fn pay(&self) {}
    }
}

fn main() {}
