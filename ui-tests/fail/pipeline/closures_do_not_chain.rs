use kairo::pipeline;

fn main() {
    let _ = pipeline("processing")
        .input::<u64>()
        .map("write", async |number| Ok(number.to_string()))
        .filter("is-small", |number: &u64| *number < 9);
}
