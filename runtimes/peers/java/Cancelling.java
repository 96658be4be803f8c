import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The cancel workload. Future.cancel() interrupts the thread of a task, which ends where it waits. A
 * future that is cancelled does not tell when its task has ended: tasks count down a latch.
 */
final class Cancelling {
    private final AtomicLong cleanedUp = new AtomicLong();
    private final AtomicLong woken = new AtomicLong();

    /** How many cleaned up and woke, whether who joined them was told, and the time that took. */
    long[] cancelAll(int tasks, Flights flights) throws InterruptedException, ExecutionException {
        final var begun = new CountDownLatch(tasks);
        final var ended = new CountDownLatch(tasks);
        final List<Future<Void>> background = new ArrayList<>(tasks);
        for (int i = 0; i < tasks; i++) {
            background.add(Pools.start(() -> sleep(begun, ended), flights));
        }
        begun.await();
        final long start = System.nanoTime();
        for (final Future<Void> task : background) task.cancel(true);
        ended.await();
        final boolean told = background.stream().allMatch(Cancelling::tells);
        final long took = System.nanoTime() - start;
        return new long[] {cleanedUp.get(), woken.get(), told ? 1 : 0, took};
    }

    private Void sleep(CountDownLatch begun, CountDownLatch ended) throws InterruptedException {
        begun.countDown();
        try {
            TimeUnit.HOURS.sleep(1);
            woken.incrementAndGet();
            return null;
        } finally {
            cleanedUp.incrementAndGet();
            ended.countDown();
        }
    }

    private static boolean tells(Future<Void> task) {
        try {
            task.get();
            return false;
        } catch (CancellationException error) {
            return true;
        } catch (InterruptedException | ExecutionException error) {
            return false;
        }
    }
}
