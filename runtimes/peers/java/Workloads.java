import java.io.IOException;
import java.net.ServerSocket;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;

/**
 * What bench/README.md asks of tasks. Each workload returns the results of one gather, whose leaves
 * begin with a seed.
 */
final class Workloads {
    private final Spec spec;
    private final Flights flights;

    Workloads(Spec spec, Flights flights) {
        this.spec = spec;
        this.flights = flights;
    }

    /**
     * Returns the time. Thread.sleep() counts whole milliseconds before Java 21; parkNanos(), on
     * which the timed waits of java.util.concurrent stand, does not, and may return early.
     */
    static long sleepUntil(long deadlineNs) {
        long now = System.nanoTime();
        if (now >= deadlineNs) Thread.yield();
        while (now < deadlineNs) {
            LockSupport.parkNanos(deadlineNs - now);
            now = System.nanoTime();
        }
        return now;
    }

    private static long[] numbersOf(List<Long> results) {
        return results.stream().mapToLong(Long::longValue).toArray();
    }

    long[] sleeps(long seed) throws InterruptedException, ExecutionException {
        return numbersOf(
                Pools.gather(spec.tasks(), flights, i -> () -> sleepOnce(spec.delayNs(i))));
    }

    private static long sleepOnce(long delayNs) {
        final long deadline = System.nanoTime() + delayNs;
        return sleepUntil(deadline) - deadline;
    }

    long[] gather(long seed) {
        return new Tree(spec, seed, flights).gather();
    }

    long[] heartbeat(long seed) throws InterruptedException, ExecutionException {
        final List<long[]> pulses =
                Pools.gather(
                        spec.tasks() + 1, flights, i -> i == 0 ? this::beat : () -> compute(seed, i - 1));
        return pulses.stream().flatMapToLong(LongStream::of).toArray();
    }

    /** Returns a value of nothing, the longest and the mean gap. */
    private long[] beat() {
        final long first = System.nanoTime();
        long last = first;
        long longest = 0;
        for (int i = 0; i < spec.beats(); i++) {
            final long now = sleepUntil(last + spec.intervalNs());
            longest = Math.max(longest, now - last);
            last = now;
        }
        return new long[] {0, longest, (last - first) / spec.beats()};
    }

    private long[] compute(long seed, int task) {
        long value = 0;
        for (int part = 0; part < spec.parts(); part++) {
            Thread.yield();
            value += spec.leafValue(seed, (long) task * spec.parts() + part);
        }
        return new long[] {value, 0, 0};
    }

    long[] mix(long seed) throws InterruptedException, ExecutionException {
        return numbersOf(Pools.gather(spec.tasks(), flights, i -> () -> waitAndCompute(seed, i)));
    }

    private long waitAndCompute(long seed, int task) {
        long value = 0;
        for (int round = 0; round < spec.rounds(); round++) {
            sleepUntil(System.nanoTime() + spec.waitNs());
            value += spec.leafValue(seed, (long) task * spec.rounds() + round);
        }
        return value;
    }

    long[] cancel(long seed) throws InterruptedException, ExecutionException {
        return new Cancelling().cancelAll(spec.tasks(), flights);
    }

    long[] channel(long seed) throws InterruptedException, ExecutionException {
        return new Channel(spec, seed).passAll(flights);
    }

    long[] pingPong(long seed) throws InterruptedException, ExecutionException {
        return numbersOf(
                Pools.gather(spec.pairs(), flights, i -> () -> playPair((int) (seed + i))));
    }

    /** With a queue for each way. */
    private long playPair(int state) throws InterruptedException, ExecutionException {
        final var there = new ArrayBlockingQueue<Integer>(1);
        final var back = new ArrayBlockingQueue<Integer>(1);
        final List<Integer> ends =
                Pools.gather(
                        2,
                        flights,
                        i -> () -> i == 0 ? serve(state, back, there) : answer(there, back));
        return Integer.toUnsignedLong(ends.get(0));
    }

    /** Has the ball first and last. */
    private int serve(int state, BlockingQueue<Integer> from, BlockingQueue<Integer> to)
            throws InterruptedException {
        int held = state;
        for (int round = 0; round < spec.rounds(); round++) {
            to.put(Spec.xorshift32(held));
            held = from.take();
        }
        return held;
    }

    private int answer(BlockingQueue<Integer> from, BlockingQueue<Integer> to)
            throws InterruptedException {
        for (int round = 0; round < spec.rounds(); round++) to.put(Spec.xorshift32(from.take()));
        return 0;
    }

    long[] echo(ServerSocket listener) throws InterruptedException, ExecutionException {
        return numbersOf(Pools.gather(spec.connections(), flights, i -> () -> echoOne(listener)));
    }

    /**
     * Streams of a Socket, with its TCP_NODELAY set: Java leaves that to the caller. A deadline is its
     * SO_TIMEOUT, which holds for each read.
     */
    private long echoOne(ServerSocket listener) throws IOException {
        try (var connection = listener.accept()) {
            connection.setTcpNoDelay(true);
            connection.setSoTimeout((int) (spec.deadlineNs() / 1_000_000)); // 0: none.
            final var in = connection.getInputStream();
            final var out = connection.getOutputStream();
            final var buffer = new byte[spec.bufferBytes()];
            long echoed = 0;
            for (int size; (size = in.read(buffer)) >= 0; echoed += size) {
                out.write(buffer, 0, size);
            }
            return echoed;
        }
    }
}
