use kairo::Classify;

#[derive(Debug, thiserror::Error, Classify)]
#[error("no")]
struct MailError<T>(T);

fn main() {}
