//! The arithmetic of bench/README.md.

/// What a leaf of a run with this seed begins with, modulo 2^32.
pub fn leaf_state(seed: u32, index: usize) -> u32 {
    seed.wrapping_add(index as u32)
}

/// So many steps of xorshift32 from the state of a leaf.
pub fn leaf_value(mut state: u32, steps: u32) -> u64 {
    for _ in 0..steps {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    state.into()
}

pub fn splitmix64(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
