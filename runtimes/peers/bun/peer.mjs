// Bun's event loop. The tasks are in ../javascript.
//
// * Sockets are Bun.listen()'s, which its documentation has for servers whose speed matters: one set of callbacks
//   for all of them, and writes that are not buffered, so that what did not go through is kept here until it does.
// * A deadline is that of an idle socket, which counts whole seconds.

import { clientWith } from '../javascript/fetch.mjs';
import { serve } from '../javascript/protocol.mjs';

const NS_PER_S = 1e9;

const giveWay = () => new Promise((resolve) => setImmediate(resolve));

/** Writes what it can of what a connection owes its peer. */
function send(socket, bytes) {
  const sent = socket.write(bytes);
  socket.data.owed = sent < bytes.length ? bytes.subarray(sent) : undefined;
}

/** Tasks are given their connections in the order in which these come. */
function listen(spec) {
  const waiting = [];
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.setNoDelay(true);
        if (spec.deadline_ns) socket.timeout(Math.ceil(spec.deadline_ns / NS_PER_S));
        socket.data = { echoed: 0, owed: undefined, ended: waiting.shift() };
      },
      data(socket, bytes) {
        socket.data.echoed += bytes.length;
        send(socket, socket.data.owed ? Buffer.concat([socket.data.owed, bytes]) : bytes);
      },
      drain(socket) {
        if (socket.data.owed) send(socket, socket.data.owed);
      },
      timeout() {
        throw new Error('a read has timed out');
      },
      close(socket) {
        socket.data.ended(socket.data.echoed);
      },
    },
  });
  return {
    port: server.port,
    serveOne: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => server.stop(),
  };
}

const client = ({ kept }) => clientWith({ keepalive: kept });

await serve({ version: `Bun ${Bun.version}`, sleep: Bun.sleep, giveWay, listen, client });
