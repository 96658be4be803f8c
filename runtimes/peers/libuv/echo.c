/* An echo server on uv_tcp_t. */
#include "loop.h"
#include "peer.h"

#include <netinet/in.h>
#include <stdlib.h>

static uv_tcp_t listener;

struct server {
    const struct echo_case* spec;
    uint64_t* echoed;
    size_t accepted;
    struct flight_log* log;
};

/* A task: one connection. */
struct connection {
    uv_tcp_t tcp;
    uv_timer_t
        deadline; /* Of the read that waits, if there are deadlines; then a handle to be closed. */
    size_t handles;
    uv_write_t rest; /* Of an answer that the kernel has not taken at once. */
    uint64_t* echoed;
    struct flight* flight;
    size_t size;
    char buffer[];
};

/* One buffer a connection: the next read comes after the answer to the last. */
static void on_allocate(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer) {
    (void)suggested;
    struct connection* self = (struct connection*)handle;
    *buffer = uv_buf_init(self->buffer, (unsigned)self->size);
}

static void on_closed(uv_handle_t* handle) {
    struct connection* self = handle->data;
    if (--self->handles == 0) free(self);
}

static void on_deadline(uv_timer_t* deadline) {
    (void)deadline;
    check(UV_ETIMEDOUT, "uv_read");
}

/* uv_timer_again() starts it anew, as libuv's documentation has it for time-outs of connections. */
static void start_deadline(struct connection* self) {
    if (self->handles == 2) check(uv_timer_again(&self->deadline), "uv_timer_again");
}

/* A timer's deadline, whose repeat uv_timer_again() takes. */
static void add_deadline(struct connection* self, int64_t deadline_ns) {
    const uint64_t deadline_ms = (uint64_t)deadline_ns / 1000000;
    check(uv_timer_init(self->tcp.loop, &self->deadline), "uv_timer_init");
    check(uv_timer_start(&self->deadline, on_deadline, deadline_ms, deadline_ms), "uv_timer_start");
    self->deadline.data = self;
    ++self->handles;
}

static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);

static void on_written(uv_write_t* rest, int status) {
    check(status, "uv_write");
    check(uv_read_start(rest->handle, on_allocate, on_read), "uv_read_start");
}

/* uv_try_write() first, as Node does: uv_write() calls back in the next turn of the loop only, and
   for that the loop asks the kernel once more. */
static void answer(struct connection* self, const char* bytes, size_t size) {
    uv_stream_t* stream = (uv_stream_t*)&self->tcp;
    uv_buf_t left = uv_buf_init((char*)bytes, (unsigned)size);
    const int written = uv_try_write(stream, &left, 1);
    if (written == (int)size) return;
    if (written != UV_EAGAIN) check(written, "uv_try_write");
    if (written > 0) left = uv_buf_init(left.base + written, left.len - (unsigned)written);
    check(uv_read_stop(stream), "uv_read_stop"); /* The buffer is in use. */
    check(uv_write(&self->rest, stream, &left, 1, on_written), "uv_write");
}

static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    struct connection* self = (struct connection*)stream;
    if (size == UV_EOF) {
        land(self->flight);
        if (self->handles == 2) uv_close((uv_handle_t*)&self->deadline, on_closed);
        uv_close((uv_handle_t*)stream, on_closed);
        return;
    }
    check((int)size, "uv_read");
    start_deadline(self);
    *self->echoed += (uint64_t)size;
    if (size > 0) answer(self, buffer->base, (size_t)size);
}

static void on_connection(uv_stream_t* stream, int status) {
    check(status, "uv_listen");
    struct server* server = stream->data;
    const struct echo_case* spec = server->spec;
    struct connection* self = allocate(1, sizeof *self + spec->buffer_bytes);
    self->size = spec->buffer_bytes;
    self->flight = take_off(server->log);
    self->echoed = &server->echoed[server->accepted++];
    check(uv_tcp_init(stream->loop, &self->tcp), "uv_tcp_init");
    check(uv_accept(stream, (uv_stream_t*)&self->tcp), "uv_accept");
    check(uv_tcp_nodelay(&self->tcp, 1), "uv_tcp_nodelay");
    self->tcp.data = self;
    self->handles = 1;
    if (spec->deadline_ns != 0) add_deadline(self, spec->deadline_ns);
    check(uv_read_start((uv_stream_t*)&self->tcp, on_allocate, on_read), "uv_read_start");
    if (server->accepted == spec->connections) uv_close((uv_handle_t*)stream, NULL);
}

uint16_t listen_for_echo(int backlog) {
    struct sockaddr_in address;
    int size = sizeof address;
    check(uv_ip4_addr("127.0.0.1", 0, &address), "uv_ip4_addr");
    check(uv_tcp_init(uv_default_loop(), &listener), "uv_tcp_init");
    check(uv_tcp_bind(&listener, (struct sockaddr*)&address, 0), "uv_tcp_bind");
    check(uv_listen((uv_stream_t*)&listener, backlog, on_connection), "uv_listen");
    check(uv_tcp_getsockname(&listener, (struct sockaddr*)&address, &size), "uv_tcp_getsockname");
    return ntohs(address.sin_port);
}

void run_echo(const struct echo_case* spec, uint64_t* echoed, struct flight_log* log) {
    struct server server = {.spec = spec, .echoed = echoed, .log = log};
    for (size_t i = 0; i < spec->connections; ++i) echoed[i] = 0;
    listener.data = &server;
    run_loop();
}
