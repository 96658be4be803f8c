/** A case of any workload; ../README.md lists which has which keys. */
record Spec(
        int tasks,
        long shortestNs,
        long longestNs,
        String seed,
        long[] listedNs,
        int fanOut,
        int depth,
        long work,
        long heavyLeaves,
        long heavyWork,
        int connections,
        int bufferBytes,
        long deadlineNs,
        int parts,
        int beats,
        long intervalNs,
        int rounds,
        long waitNs,
        int producers,
        int consumers,
        int elements,
        int capacity,
        long slowNs,
        int pairs) {

    /** How long a task of sleeps does. */
    long delayNs(int task) {
        if (listedNs.length > 0) return listedNs[task];
        if (shortestNs == longestNs) return shortestNs;
        final long choices = longestNs - shortestNs + 1;
        final long random = splitmix64(Long.parseUnsignedLong(seed) + task);
        return shortestNs + Long.remainderUnsigned(random, choices);
    }

    private static long splitmix64(long seed) {
        long z = seed + 0x9e3779b97f4a7c15L;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    /** How many leaves a tree has. */
    long leaves() {
        long count = 1;
        for (int level = 0; level < depth; level++) count *= fanOut;
        return count;
    }

    /**
     * Where the steps of xorshift32 that are the work of a leaf lead, whose state is the seed plus its
     * index. All modulo 2^32.
     */
    long leafValue(long seed, long leaf) {
        int state = (int) (seed + leaf);
        final long steps = leaf < heavyLeaves ? heavyWork : work;
        for (long i = 0; i < steps; i++) state = xorshift32(state);
        return Integer.toUnsignedLong(state);
    }

    static int xorshift32(int state) {
        state ^= state << 13;
        state ^= state >>> 17;
        return state ^ (state << 5);
    }
}
