// Deno's event loop, which is tokio's. The tasks are in ../javascript.
//
// * Sockets are Deno's own: its documentation reads into a buffer and writes from it; its streams would not tell
//   how many bytes have passed. Only one task may accept at a time, so that one accepts for all.
// * setImmediate lets timers and I/O have their turn, as in Node, whose module Deno has it from.

import { setImmediate } from 'node:timers/promises';
import { clientWith } from '../javascript/fetch.mjs';
import { serve } from '../javascript/protocol.mjs';

const MOST_WAITING = 4096; // Connections that the kernel holds until they are accepted.
const NS_PER_MS = 1e6;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Connections know no deadlines: a timer stands beside each read, and closes the connection. */
async function readInTime(connection, buffer, deadlineNs) {
  const timer = setTimeout(() => connection.close(), deadlineNs / NS_PER_MS);
  try {
    return await connection.read(buffer);
  } finally {
    clearTimeout(timer);
  }
}

async function echoConnection(connection, { buffer_bytes, deadline_ns }) {
  connection.setNoDelay(true);
  const buffer = new Uint8Array(buffer_bytes);
  let echoed = 0;
  for (;;) {
    const size = await (deadline_ns ? readInTime(connection, buffer, deadline_ns) : connection.read(buffer));
    if (size === null) break;
    let sent = 0;
    while (sent < size) sent += await connection.write(buffer.subarray(sent, size));
    echoed += size;
  }
  connection.close();
  return echoed;
}

function listen(spec) {
  const listener = Deno.listen({ hostname: '127.0.0.1', port: 0, tcpBacklog: MOST_WAITING });
  let accepting = Promise.resolve();
  /** Takes its turn to accept. */
  const accept = () => (accepting = accepting.then(() => listener.accept()));
  return {
    port: listener.addr.port,
    serveOne: async () => echoConnection(await accept(), spec),
    close: () => listener.close(),
  };
}

const client = ({ kept }) => clientWith(kept ? {} : { headers: { connection: 'close' } });

await serve({ version: `Deno ${Deno.version.deno}`, sleep, giveWay: setImmediate, listen, client });
