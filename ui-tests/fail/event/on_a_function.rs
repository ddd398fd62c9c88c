use kairo::prelude::*;

#[event("invoice.paid")]
fn invoice_paid() {}

fn main() {}
