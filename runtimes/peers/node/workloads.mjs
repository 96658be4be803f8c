// What bench/README.md asks of tasks. Each workload resolves to the results of one gather, whose leaves
// begin with a seed. Times
// are performance.now(), milliseconds with a fraction.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { add, delayNs, leafValue } from './computing.mjs';
import { fetchAll } from './fetch.mjs';

const MOST_WAITING = 4096; // Connections that the kernel holds until they are accepted.
const NS_PER_MS = 1e6;

/** Resolves to the time. Timers count whole milliseconds from when the loop last looked at the
    clock, which may be long ago where one turn starts many tasks: who wakes early sleeps again. No
    timer takes less than one of them, so that who is due already yields. */
async function sleepUntil(deadline) {
  let now = performance.now();
  do {
    await (now < deadline ? setTimeout(Math.ceil(deadline - now)) : setImmediate());
    now = performance.now();
  } while (now < deadline);
  return now;
}

async function sleepOnce(delay) {
  const deadline = performance.now() + delay;
  return Math.round(((await sleepUntil(deadline)) - deadline) * NS_PER_MS);
}

function sleeps(spec, gather) {
  return gather(spec.tasks, (i) => sleepOnce(delayNs(spec, i) / NS_PER_MS));
}

/** setImmediate is the yield that lets timers and I/O have their turn, too; a resolved promise
    would only let other promises have theirs. */
async function leaf(state, work) {
  await setImmediate();
  return leafValue(state, work);
}

/** The values of the children of a node at a position of its level, with so many levels below. */
const workOf = (spec, leaf) => (leaf < spec.heavy_leaves ? spec.heavy_work : spec.work);

function children(spec, seed, levels, position, gather) {
  const first = position * spec.fan_out;
  if (levels === 1)
    return gather(spec.fan_out, (i) => leaf(seed + first + i, workOf(spec, first + i)));
  return gather(spec.fan_out, async (i) =>
    (await children(spec, seed, levels - 1, first + i, gather)).reduce(add),
  );
}

function gatherTree(spec, gather, seed) {
  return children(spec, seed, spec.depth, 0, gather);
}

async function beat({ beats, interval_ns }) {
  const first = performance.now();
  let last = first;
  let longest = 0;
  for (let i = 0; i < beats; i++) {
    const now = await sleepUntil(last + interval_ns / NS_PER_MS);
    longest = Math.max(longest, now - last);
    last = now;
  }
  const mean = (last - first) / beats;
  return [0, Math.round(longest * NS_PER_MS), Math.round(mean * NS_PER_MS)];
}

async function computeInParts({ parts, work }, seed, index) {
  let value = 0;
  for (let part = 0; part < parts; part++) {
    await setImmediate();
    value = add(value, leafValue(seed + index * parts + part, work));
  }
  return [value, 0, 0];
}

function heartbeat(spec, gather, seed) {
  return gather(spec.tasks + 1, (i) => (i === 0 ? beat(spec) : computeInParts(spec, seed, i - 1)));
}

async function waitAndCompute({ rounds, wait_ns, work }, seed, index) {
  let value = 0;
  for (let round = 0; round < rounds; round++) {
    await sleepUntil(performance.now() + wait_ns / NS_PER_MS);
    value = add(value, leafValue(seed + index * rounds + round, work));
  }
  return value;
}

function mix(spec, gather, seed) {
  return gather(spec.tasks, (i) => waitAndCompute(spec, seed, i));
}

/** An AbortSignal is what Node's promises are cancelled by. One for each task: a signal that has many
    listeners looks through all of them for each that is added. Promise.all() would be told by the first
    task to end, so that each hands on what it was told. */
async function cancel(spec, gather) {
  const controllers = [];
  let cleanedUp = 0;
  let woken = 0;
  const sleeper = async () => {
    const controller = new AbortController();
    controllers.push(controller);
    try {
      await setTimeout(3_600_000, undefined, { signal: controller.signal });
      woken++;
    } finally {
      cleanedUp++;
    }
  };
  const background = gather(spec.tasks, () => sleeper().catch((error) => error));
  while (controllers.length < spec.tasks) await setImmediate();
  const start = performance.now();
  for (const controller of controllers) controller.abort();
  const told = (await background).every((error) => error?.name === 'AbortError');
  const took = Math.round((performance.now() - start) * NS_PER_MS);
  return [cleanedUp, woken, told ? 1 : 0, took];
}

export const workloads = {
  sleeps,
  gather: gatherTree,
  heartbeat,
  mix,
  cancel,
  fetch: fetchAll,
};

/** A server on a port of the kernel's choice. Node leaves TCP_NODELAY to the caller. */
export async function listen() {
  const server = createServer({ noDelay: true });
  server.listen({ host: '127.0.0.1', port: 0, backlog: MOST_WAITING });
  await once(server, 'listening');
  return server;
}

/** Tasks are given their connections in the order in which these come. */
export function serveAll(server, spec, gather) {
  const waiting = [];
  server.on('connection', (socket) => waiting.shift()(socket));
  const accepted = () => new Promise((resolve) => waiting.push(resolve));
  return gather(spec.connections, async () => echoConnection(await accepted(), spec.deadline_ns));
}

/** The echo server of the documentation of node:net: pipe() waits where a write does not go
    through, and ends our half when the peer has ended its own. A deadline is that of an idle socket,
    which is what Node has. */
async function echoConnection(socket, deadlineNs) {
  if (deadlineNs) {
    socket.setTimeout(deadlineNs / NS_PER_MS);
    socket.on('timeout', () => socket.destroy(new Error('a read has timed out')));
  }
  socket.pipe(socket);
  await once(socket, 'close');
  return socket.bytesWritten;
}
