import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;

/**
 * The pools of java.util.concurrent that its documentation names for tasks that wait and for tasks
 * that compute. Both keep their threads from run to run, as a server would.
 */
final class Pools {
    static final int MOST_THREADS = 10_000;

    /** A worker a core, which is what fits tasks that compute and have tasks of their own. */
    static final ForkJoinPool COMPUTING = new ForkJoinPool();

    /**
     * Executors.newCachedThreadPool() with a bound: a thread for each task that waits, reused when
     * it is idle. When all are busy, who submits waits for one.
     */
    private static final ThreadPoolExecutor WAITING =
            new ThreadPoolExecutor(
                    0, MOST_THREADS, 60, TimeUnit.SECONDS, new SynchronousQueue<>(), Pools::hand);

    private Pools() {}

    /** Has both work once, so that the first run does not wait for what a pool loads and makes. */
    static void start() throws InterruptedException, ExecutionException {
        COMPUTING.submit(() -> {}).get();
        gather(1, null, i -> () -> i);
    }

    private static void hand(Runnable task, ThreadPoolExecutor pool) {
        try {
            pool.getQueue().put(task);
        } catch (InterruptedException error) {
            throw new RejectedExecutionException(error);
        }
    }

    /** Runs n tasks, each in a thread of its own, and returns their results in order. */
    static <T> List<T> gather(int n, Flights flights, IntFunction<Callable<T>> taskOf)
            throws InterruptedException, ExecutionException {
        final List<Callable<T>> tasks = new ArrayList<>(n);
        for (int i = 0; i < n; i++) tasks.add(followed(taskOf.apply(i), flights));
        final List<T> results = new ArrayList<>(n);
        for (Future<T> done : WAITING.invokeAll(tasks)) results.add(done.get());
        return results;
    }

    /** Runs a task in a thread of its own, and does not wait for it. */
    static <T> Future<T> start(Callable<T> task, Flights flights) {
        return WAITING.submit(followed(task, flights));
    }

    /** A task that notes when it is in flight, if that is asked for. */
    private static <T> Callable<T> followed(Callable<T> task, Flights flights) {
        if (flights == null) return task;
        return () -> {
            final long start = System.nanoTime();
            try {
                return task.call();
            } finally {
                flights.add(start, System.nanoTime());
            }
        };
    }
}
