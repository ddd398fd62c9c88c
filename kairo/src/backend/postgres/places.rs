//! Ascending places above a low water, packed: each as what is new in it since the one before, in
//! groups of seven bits (LEB128).

use crate::store::Position;

/// Packs ascending places above `low_water`. Of each there is the distance in epochs; then, in the
/// same epoch, the distance in orders, else the order; and likewise the sequence.
pub(super) fn pack(low_water: Position, places: &[Position]) -> Vec<u8> {
    let (mut packed, mut last) = (Vec::new(), low_water);
    for place in places {
        put(&mut packed, place.epoch.saturating_sub(last.epoch).into());
        if place.epoch != last.epoch {
            last = Position { epoch: place.epoch, order: 0, sequence: 0 };
        }
        put(&mut packed, place.order.saturating_sub(last.order));
        if place.order != last.order {
            last = Position { sequence: 0, ..*place };
        }
        put(&mut packed, place.sequence.saturating_sub(last.sequence));
        last = *place;
    }
    packed
}

fn put(packed: &mut Vec<u8>, mut number: u64) {
    while 0x7F < number {
        packed.push(0x80 | (number & 0x7F).to_le_bytes()[0]);
        number >>= 7;
    }
    packed.push(number.to_le_bytes()[0]);
}

/// Unpacks what [`pack`] made; `None` for bytes that it cannot have made.
pub(super) fn unpack(low_water: Position, mut packed: &[u8]) -> Option<Vec<Position>> {
    let (mut places, mut last) = (Vec::new(), low_water);
    while !packed.is_empty() {
        let epochs = u32::try_from(take(&mut packed)?).ok()?;
        if 0 < epochs {
            last = Position { epoch: last.epoch.checked_add(epochs)?, order: 0, sequence: 0 };
        }
        let orders = take(&mut packed)?;
        if 0 < orders {
            last = Position { order: last.order.checked_add(orders)?, sequence: 0, ..last };
        }
        last.sequence = last.sequence.checked_add(take(&mut packed)?)?;
        places.push(last);
    }
    Some(places)
}

fn take(packed: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        number |= u64::from(byte & 0x7F).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places() -> impl Strategy<Value = Vec<Position>> {
        let place = (0..3_u32, 0..9_u64, 0..u64::from(u32::MAX));
        prop::collection::btree_set(place, 1..50).prop_map(|places| {
            let place = |(epoch, order, sequence)| Position { epoch, order, sequence };
            places.into_iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(places in places()) {
            let (low_water, above) = (places[0], &places[1..]);
            prop_assert_eq!(unpack(low_water, &pack(low_water, above)), Some(above.to_vec()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(epoch: u32, order: u64, sequence: u64, bytes: Vec<u8>) {
            let _ = unpack(Position { epoch, order, sequence }, &bytes);
        }
    }
}
