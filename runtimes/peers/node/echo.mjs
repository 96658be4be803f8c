// The echo server of the documentation of node:net.

import { once } from 'node:events';
import { createServer } from 'node:net';

const MOST_WAITING = 4096; // Connections that the kernel holds until they are accepted.
const NS_PER_MS = 1e6;

/** A server on a port of the kernel's choice. Node leaves TCP_NODELAY to the caller. Tasks are given their
    connections in the order in which these come. */
export async function listen(spec) {
  const waiting = [];
  const server = createServer({ noDelay: true }, (socket) => waiting.shift()(socket));
  server.listen({ host: '127.0.0.1', port: 0, backlog: MOST_WAITING });
  await once(server, 'listening');
  const accepted = () => new Promise((resolve) => waiting.push(resolve));
  return {
    port: server.address().port,
    serveOne: async () => echoConnection(await accepted(), spec.deadline_ns),
    close: () => server.close(),
  };
}

/** pipe() waits where a write does not go through, and ends our half when the peer has ended its own. A deadline
    is that of an idle socket, which is what Node has. */
async function echoConnection(socket, deadlineNs) {
  if (deadlineNs) {
    socket.setTimeout(deadlineNs / NS_PER_MS);
    socket.on('timeout', () => socket.destroy(new Error('a read has timed out')));
  }
  socket.pipe(socket);
  await once(socket, 'close');
  return socket.bytesWritten;
}
