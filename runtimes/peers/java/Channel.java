import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;

/**
 * The channel workload on ArrayBlockingQueue, the bounded queue of java.util.concurrent. It cannot be
 * closed; its documentation has consumers end at an object that is put in last, here one for each.
 */
final class Channel {
    private record Element(int producer, int number) {}

    private static final Element END = new Element(-1, 0);
    private static final int APART = 16; // Longs: so that no two counts share cache lines.

    private final Spec spec;
    private final long seed;
    private final BlockingQueue<Element> queue;
    private final AtomicLongArray pushed;
    private final AtomicLongArray popped;
    private final AtomicInteger ended = new AtomicInteger();

    Channel(Spec spec, long seed) {
        this.spec = spec;
        this.seed = seed;
        queue = new ArrayBlockingQueue<>(spec.capacity());
        pushed = new AtomicLongArray(spec.producers() * APART);
        popped = new AtomicLongArray(spec.consumers() * APART);
    }

    long[] passAll(Flights flights) throws InterruptedException, ExecutionException {
        final int producers = spec.producers();
        final List<long[]> traffic =
                Pools.gather(
                        producers + spec.consumers(),
                        flights,
                        i -> () -> i < producers ? produce(i) : consume(i - producers));
        return traffic.stream().flatMapToLong(LongStream::of).toArray();
    }

    /** How much was between the ends, or less: what was pushed is read first. */
    private long held() {
        long held = 0;
        for (int i = 0; i < pushed.length(); i += APART) held += pushed.getAcquire(i);
        for (int i = 0; i < popped.length(); i += APART) held -= popped.getAcquire(i);
        return Math.max(held, 0);
    }

    /** Returns how many, the most that the channel held, and for how long it was full at most. */
    private long[] produce(int producer) throws InterruptedException {
        long mostHeld = 0;
        long longest = 0;
        for (int number = 0; number < spec.elements(); number++) {
            final var next = new Element(producer, number);
            if (!queue.offer(next)) {
                final long full = System.nanoTime();
                mostHeld = Math.max(mostHeld, held());
                queue.put(next);
                longest = Math.max(longest, System.nanoTime() - full);
            }
            pushed.setRelease(producer * APART, number + 1L);
        }
        mostHeld = Math.max(mostHeld, held());
        if (ended.incrementAndGet() == spec.producers()) {
            for (int i = 0; i < spec.consumers(); i++) queue.put(END);
        }
        return new long[] {spec.elements(), mostHeld, longest};
    }

    /** Returns how many, their sum, and how many came out of order. */
    private long[] consume(int consumer) throws InterruptedException {
        final var expected = new int[spec.producers()];
        long count = 0;
        long sum = 0;
        long disordered = 0;
        for (Element next; (next = queue.take()) != END; ) {
            popped.setRelease(consumer * APART, ++count);
            sum += seed + (long) next.producer() * spec.elements() + next.number();
            if (next.number() < expected[next.producer()]) disordered++;
            expected[next.producer()] = next.number() + 1;
            if (consumer == 0 && spec.slowNs() > 0) {
                Workloads.sleepUntil(System.nanoTime() + spec.slowNs());
            }
        }
        return new long[] {count, sum, disordered};
    }
}
