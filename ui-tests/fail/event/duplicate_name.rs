mod billing {
    #[kairo::event("invoice.paid")]
    pub struct InvoicePaid {
        pub id: u64,
    }
}

mod ledger {
    #[kairo::event("invoice.paid")]
    pub struct Paid {
        pub id: u64,
    }
}

fn main() {}
