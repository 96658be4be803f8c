//! The arithmetic of bench/README.md.

/// So many steps of xorshift32 from the state of a leaf.
pub fn leaf_value(index: usize, steps: u32) -> u64 {
    let mut state = (index as u32).wrapping_add(1);
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
