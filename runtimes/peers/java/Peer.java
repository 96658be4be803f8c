import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.annotations.SerializedName;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;

/**
 * The workloads on Java's threads. This file is the protocol of ../README.md; what tasks do is in
 * Workloads.java, and who runs them in Pools.java.
 */
final class Peer {
    private static final int MOST_WAITING = 4096; // Connections held until they are accepted.
    private static final Gson GSON =
            new GsonBuilder()
                    .setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
                    .create();

    private record Request(
            String request,
            String workload,
            @SerializedName("case") Spec spec,
            long seed,
            int repeat,
            boolean trace,
            String results,
            String sums,
            String flights) {}

    /** What a run came to; sums are those of the results of each repetition but the last. */
    private record Run(double wallS, long[] sums, long[] results, Flights flights) {}

    private interface Workload {
        long[] run(long seed) throws Exception;
    }

    public static void main(String[] arguments) {
        int status = 1;
        try {
            serve();
            status = 0;
        } catch (OutOfMemoryError error) { // The machine gives no more threads, or no more memory.
            say(Map.of("limit", String.valueOf(error.getMessage())));
        } catch (Throwable error) {
            say(Map.of("error", String.valueOf(error)));
        } finally {
            System.exit(status); // Pools keep their threads, and these the virtual machine.
        }
    }

    private static void serve() throws Exception {
        final String version =
                "openjdk %s %s"
                        .formatted(
                                System.getProperty("java.version"),
                                System.getProperty("java.version.date"));
        Pools.start();
        say(Map.of("hello", Map.of("version", version, "task_limit", Pools.MOST_THREADS)));
        final var requests =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Run last = null;
        for (String line; (line = requests.readLine()) != null; ) {
            final Request request = GSON.fromJson(line, Request.class);
            if (request.request().equals("run")) {
                final Run done = run(request);
                if (done == null) {
                    say(Map.of("no_workload", true));
                } else {
                    last = done;
                    say(Map.of("wall_s", last.wallS()));
                }
            } else {
                write(request.results(), last.results());
                if (!request.sums().isEmpty()) write(request.sums(), last.sums());
                if (!request.flights().isEmpty()) {
                    write(request.flights(), last.flights().times());
                }
                say(Map.of("written", true));
            }
        }
    }

    private static void say(Map<String, ?> answer) {
        System.out.println(GSON.toJson(answer));
        System.out.flush();
    }

    /** Null if there is no such workload. */
    private static Run run(Request request) throws Exception {
        final Flights flights = request.trace() ? new Flights() : null;
        final var workloads = new Workloads(request.spec(), flights);
        switch (request.workload()) {
            case "sleeps":
                return timed(request, flights, workloads::sleeps);
            case "gather":
                return timed(request, flights, workloads::gather);
            case "heartbeat":
                return timed(request, flights, workloads::heartbeat);
            case "mix":
                return timed(request, flights, workloads::mix);
            case "cancel":
                return timed(request, flights, workloads::cancel);
            case "ping_pong":
                return timed(request, flights, workloads::pingPong);
            case "channel":
                return timed(request, flights, workloads::channel);
            case "echo":
            case "echo_with_deadlines":
                try (var listener =
                        new ServerSocket(0, MOST_WAITING, InetAddress.getLoopbackAddress())) {
                    say(Map.of("port", listener.getLocalPort()));
                    return timed(request, flights, seed -> workloads.echo(listener));
                }
            default:
                return null;
        }
    }

    /** Does a whole case as often as asked for; only gather is asked for more than once. */
    private static Run timed(Request request, Flights flights, Workload root) throws Exception {
        final var sums = new long[request.repeat() - 1];
        final long leaves = request.spec().leaves();
        final long start = System.nanoTime();
        long[] results = root.run(request.seed());
        for (int i = 0; i < sums.length; i++) {
            sums[i] = Arrays.stream(results).sum();
            results = root.run(request.seed() + (i + 1) * leaves);
        }
        return new Run((System.nanoTime() - start) * 1e-9, sums, results, flights);
    }

    private static void write(String path, long[] numbers) throws IOException {
        final var bytes =
                ByteBuffer.allocate(numbers.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(numbers);
        try (var file = FileChannel.open(Path.of(path), StandardOpenOption.WRITE)) {
            while (bytes.hasRemaining()) file.write(bytes);
        }
    }
}
