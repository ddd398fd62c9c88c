//! Ascending places above a low water, packed: each as its distance from the one before, in
//! groups of seven bits (LEB128).

/// Packs ascending places above `low_water`.
pub(super) fn pack(low_water: u64, places: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let (mut packed, mut last) = (Vec::new(), low_water);
    for place in places {
        let mut distance = place.saturating_sub(last);
        while 0x7F < distance {
            packed.push(0x80 | (distance & 0x7F).to_le_bytes()[0]);
            distance >>= 7;
        }
        packed.push(distance.to_le_bytes()[0]);
        last = place;
    }
    packed
}

/// Unpacks what [`pack`] made; `None` for bytes that it cannot have made.
pub(super) fn unpack(low_water: u64, packed: &[u8]) -> Option<Vec<u64>> {
    let (mut places, mut last) = (Vec::new(), low_water);
    let mut bytes = packed.iter();
    while !bytes.as_slice().is_empty() {
        let (mut distance, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes.next()?;
            distance |= u64::from(byte & 0x7F).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        last = last.checked_add(distance)?;
        places.push(last);
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(low: u32, steps in prop::collection::vec(1..u64::from(u32::MAX), 0..50)) {
            let places: Vec<u64> = steps
                .iter()
                .scan(u64::from(low), |last, step| { *last += step; Some(*last) })
                .collect();
            prop_assert_eq!(unpack(u64::from(low), &pack(u64::from(low), places.clone())), Some(places));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(low: u64, bytes: Vec<u8>) {
            let _ = unpack(low, &bytes);
        }
    }
}
