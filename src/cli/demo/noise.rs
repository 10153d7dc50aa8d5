//! Chance that comes out the same every time: a number for a name and another number, made of nothing else.

/// The same demo for everybody.
const SEED: u64 = 0x5EED_0F7E_D001_2026;

/// Evenly spread over 0 to 1.
pub fn fraction(name: &str, number: i64) -> f64 {
    (bits(name, number as u64) >> 11) as f64 / (1u64 << 53) as f64
}

/// Random letters of an alphabet, as platforms make their ids of them.
pub fn letters(name: &str, alphabet: &[u8], length: usize) -> String {
    let letter = |nth: usize| char::from(alphabet[(bits(name, nth as u64) % alphabet.len() as u64) as usize]);
    (0..length).map(letter).collect()
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>) over the name, mixed with `number` as SplitMix64 does
/// (<https://prng.di.unimi.it/splitmix64.c>).
pub fn bits(name: &str, number: u64) -> u64 {
    let named = name.bytes().fold(SEED, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let mut mixed = named.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_even_and_repeats_itself() {
        let of = |n: i64| fraction("acme-pay/api", n);
        let all: Vec<f64> = (0..10_000).map(of).collect();
        assert!(all.iter().all(|f| (0.0..1.0).contains(f)));
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((0.49..0.51).contains(&mean), "{mean}");
        let rare = all.iter().filter(|f| **f < 0.01).count();
        assert!((70..130).contains(&rare), "{rare}");
        assert_eq!(of(7), of(7));
        assert_ne!(fraction("acme-pay/payment", 7), of(7));
    }
}
