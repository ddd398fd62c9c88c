//! What somebody may have meant by a name that does not exist.

/// The name that is nearest to `meant`, unless too much of it differs.
///
/// The distance is Levenshtein's: insertions, deletions and replacements of one character.
pub(crate) fn nearest<'a>(
    meant: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance_max = meant.len() / 3;
    names
        .into_iter()
        .filter(|name| name.len().abs_diff(meant.len()) <= distance_max)
        .map(|name| (distance(meant, name), name))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, name)| name)
}

fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised() {
        let names = ["shop::welcome", "shop::confirm"];
        assert_eq!(nearest("shop::welcom", names), Some("shop::welcome"));
        assert_eq!(nearest("shop::wlecome", names), Some("shop::welcome"));
        assert_eq!(nearest("ful", ["normal", "full"]), Some("full"));
    }

    #[test]
    fn what_differs_too_much_is_not_proposed() {
        assert_eq!(nearest("billing::charge", ["shop::welcome"]), None);
        assert_eq!(nearest("", ["shop::welcome"]), None);
    }
}
