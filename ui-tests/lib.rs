//! What the compiler says to mistakes: one file each in `fail`, and a twin in `pass` for each rule.
