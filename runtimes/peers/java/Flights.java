import java.util.Arrays;

/** When tasks began and ended, by System.nanoTime(). Tasks on any thread may add to it. */
final class Flights {
    private long[] times = new long[1024];
    private int size;

    synchronized void add(long start, long end) {
        if (size == times.length) times = Arrays.copyOf(times, size * 2);
        times[size++] = start;
        times[size++] = end;
    }

    synchronized long[] times() {
        return Arrays.copyOf(times, size);
    }
}
