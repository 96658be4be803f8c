import java.util.Arrays;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.RecursiveAction;

/**
 * The tree of gather, by fork and join, which java.util.concurrent has for tasks that start tasks
 * and wait for them: a worker that waits runs others meanwhile.
 */
final class Tree {
    private final Spec spec;
    private final long seed;
    private final Flights flights;

    Tree(Spec spec, long seed, Flights flights) {
        this.spec = spec;
        this.seed = seed;
        this.flights = flights;
    }

    /** The values of the root's children. The root has to be in the pool to fork. */
    long[] gather() {
        return Pools.COMPUTING.submit(() -> valuesOf(children(1, 0))).join();
    }

    /** Runs the children, at a level, of the node at a position of the level above. */
    private Node[] children(int level, long parent) {
        final var nodes = new Node[spec.fanOut()];
        final long first = parent * nodes.length;
        for (int i = 0; i < nodes.length; i++) nodes[i] = new Node(level, first + i);
        ForkJoinTask.invokeAll(Arrays.asList(nodes));
        return nodes;
    }

    private static long[] valuesOf(Node[] nodes) {
        final var values = new long[nodes.length];
        for (int i = 0; i < nodes.length; i++) values[i] = nodes[i].value;
        return values;
    }

    /** A leaf or an inner task. It keeps its value itself: RecursiveTask would box it. */
    private final class Node extends RecursiveAction {
        private static final long serialVersionUID = 1;
        private final int level;
        private final long position;
        private long value;

        Node(int level, long position) {
            this.level = level;
            this.position = position;
        }

        @Override
        protected void compute() {
            final long start = flights == null ? 0 : System.nanoTime();
            value = level == spec.depth() ? leaf() : inner();
            if (flights != null) flights.add(start, System.nanoTime());
        }

        private long leaf() {
            Thread.yield();
            return spec.leafValue(seed, position);
        }

        private long inner() {
            long sum = 0;
            for (final Node child : children(level + 1, position)) sum += child.value;
            return sum;
        }
    }
}
