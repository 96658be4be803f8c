// The arithmetic of bench/README.md.

/** Where so many steps of xorshift32 lead from the state of a leaf, both modulo 2^32. Bitwise operators
    work on signed integers of 32 bits; >>> 0 makes the last one unsigned. */
export function leafValue(leafState, steps) {
  let state = leafState | 0;
  for (let i = 0; i < steps; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state >>> 0;
}

const u64 = (value) => BigInt.asUintN(64, value);

/** The sum of two modulo 2^64: a number as long as it is exact, which is cheaper, and a BigInt from
    2^53 on. */
export function add(a, b) {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return u64(BigInt(a) + BigInt(b));
}

function splitmix64(seed) {
  let z = u64(seed + 0x9e3779b97f4a7c15n);
  z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

/** The document that a request of fetch is for. */
export const itemOf = ({ items }, seed, request) => Number(splitmix64(BigInt(seed + request)) % BigInt(items));

/** How long task i of a case of sleeps sleeps. */
export function delayNs({ shortest_ns, longest_ns, seed, listed_ns }, i) {
  if (listed_ns.length > 0) return listed_ns[i];
  if (shortest_ns === longest_ns) return shortest_ns;
  const choices = BigInt(longest_ns - shortest_ns + 1);
  return shortest_ns + Number(splitmix64(BigInt(seed) + BigInt(i)) % choices);
}
