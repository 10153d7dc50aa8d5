//! One column of a chunk: whole numbers, most of which lie near each other.
//!
//! In blocks. Of each block the numbers in a window `[base, base + 2^width)` take `width` bits; the few outside of it
//! are exceptions and follow with their places. The window is the one that makes the block shortest. So noise costs its
//! own width, something constant costs nothing, and a spike costs a few bytes and not a wider block.

/// Numbers a block holds; a place in it fits a byte.
const BLOCK: usize = 256;
/// A wider window would hold numbers that have nothing to do with each other.
const WIDTH_MAX: u32 = 32;
/// What an exception costs about: its place, and a number of three bytes.
const EXCEPTION_BYTES: usize = 4;

pub fn encode(values: &[u64], out: &mut Vec<u8>) {
    values.chunks(BLOCK).for_each(|block| encode_block(block, out));
}

/// Takes `count` numbers from the front of `bytes`. `None` if that is no column.
pub fn decode(bytes: &mut &[u8], count: usize, into: &mut Vec<u64>) -> Option<()> {
    into.clear();
    while into.len() < count {
        decode_block(bytes, (count - into.len()).min(BLOCK), into)?;
    }
    Some(())
}

fn encode_block(block: &[u64], out: &mut Vec<u8>) {
    let (base, width) = window(block);
    let fits = |value: u64| value.wrapping_sub(base) < 1 << width;
    let exceptions = || block.iter().enumerate().filter(|(_, value)| !fits(**value));
    out.push(width as u8);
    put_varint(base, out);
    put_varint(exceptions().count() as u64, out);
    put_bits(block.iter().map(|value| if fits(*value) { value.wrapping_sub(base) } else { 0 }), width, out);
    for (place, value) in exceptions() {
        out.push(place as u8);
        put_varint(*value, out);
    }
}

fn decode_block(bytes: &mut &[u8], count: usize, into: &mut Vec<u64>) -> Option<()> {
    // A width that nobody writes is damage.
    let width = Some(u32::from(*bytes.split_off_first()?)).filter(|width| *width <= WIDTH_MAX)?;
    let base = take_varint(bytes)?;
    let exceptions = take_varint(bytes)?;
    let packed = bytes.split_off(..(count * width as usize).div_ceil(8))?;
    let start = into.len();
    take_bits(packed, width, count, base, into)?;
    for _ in 0..exceptions {
        let place = usize::from(*bytes.split_off_first()?);
        *into[start..].get_mut(place)? = take_varint(bytes)?;
    }
    Some(())
}

/// Base and width of the window that makes the block shortest.
fn window(block: &[u64]) -> (u64, u32) {
    let mut sorted = block.to_vec();
    sorted.sort_unstable();
    let mut best = (usize::MAX, 0, 0);
    for width in 0..=WIDTH_MAX {
        let (base, held) = fullest(&sorted, width);
        let bytes = (block.len() * width as usize).div_ceil(8) + (block.len() - held) * EXCEPTION_BYTES;
        best = best.min((bytes, width, base));
        if held == block.len() {
            break;
        }
    }
    (best.2, best.1)
}

/// Where a window of `2^width` begins that holds most of the numbers, and how many these are.
fn fullest(sorted: &[u64], width: u32) -> (u64, usize) {
    let (mut first, mut best) = (0, (0, 0));
    for (last, value) in sorted.iter().enumerate() {
        while value - sorted[first] >= 1 << width {
            first += 1;
        }
        if last + 1 - first > best.1 {
            best = (sorted[first], last + 1 - first);
        }
    }
    best
}

fn put_bits(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut word, mut used) = (0u64, 0);
    for value in values {
        word |= value << used;
        used += width;
        while used >= 8 {
            out.push(word as u8);
            word >>= 8;
            used -= 8;
        }
    }
    if used > 0 {
        out.push(word as u8);
    }
}

fn take_bits(packed: &[u8], width: u32, count: usize, base: u64, into: &mut Vec<u64>) -> Option<()> {
    if width == 0 {
        into.extend(std::iter::repeat_n(base, count));
        return Some(());
    }
    // Eight bytes are read at once, also at the end.
    let mut padded = [0u8; BLOCK * WIDTH_MAX as usize / 8 + 8];
    padded.get_mut(..packed.len())?.copy_from_slice(packed);
    let mask = (1u64 << width) - 1;
    into.extend((0..count).map(|nth| {
        let bit = nth * width as usize;
        let word = padded[bit / 8..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        base.wrapping_add((word >> (bit % 8)) & mask)
    }));
    Some(())
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn packed(values: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(values, &mut out);
        out
    }

    fn unpacked(bytes: &[u8], count: usize) -> Option<Vec<u64>> {
        let (mut rest, mut into) = (bytes, Vec::new());
        decode(&mut rest, count, &mut into)?;
        rest.is_empty().then_some(into)
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![6 => 1000..1100u64, 2 => 0..4u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(values in vec(number(), 0..600)) {
            prop_assert_eq!(unpacked(&packed(&values), values.len()), Some(values));
        }

        /// What a disk made of a column is refused or read as something, and never a panic.
        #[test]
        fn damage_is_survived(values in vec(number(), 1..300), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = packed(&values);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(if cut { place } else { bytes.len() });
            if let Some(found) = unpacked(&bytes, values.len()) {
                prop_assert_eq!(found.len(), values.len());
            }
        }
    }

    /// A width of 64 reached a shift.
    #[test]
    fn a_width_that_nobody_writes_is_damage() {
        for width in [WIDTH_MAX as u8 + 1, 64, u8::MAX] {
            let bytes = [&[width, 0, 0][..], &[0; 32]].concat();
            assert_eq!(unpacked(&bytes, 1), None, "{width}");
            assert_eq!(decode(&mut &bytes[..], 1, &mut Vec::new()), None, "{width}");
        }
    }

    #[test]
    fn what_a_block_costs() {
        let noise = |nth: u64| nth * 7919 % 16;
        for (what, values, bytes) in [
            ("constant", vec![200; 256], 4),
            ("4 bits of noise around a large number", (0..256).map(|nth| 60_000 + noise(nth)).collect(), 5 + 128),
            ("one spike in it", (0..256).map(|nth| if nth == 99 { 5_000_000 } else { 60_000 + noise(nth) }).collect(), 5 + 128 + 5),
        ] {
            assert_eq!(packed(&values).len(), bytes, "{what}");
        }
    }
}
