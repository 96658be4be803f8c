// The peers' end of the protocol, for those in JavaScript: ../README.md has it line for line. What tasks do is
// in workloads.mjs, and how they are started and traced in gather.mjs.

import { writeFileSync, writeSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { add } from './computing.mjs';
import { Tracer, gather } from './gather.mjs';
import { workloadsOn } from './workloads.mjs';

// Synchronous, so that an answer is out before the next task runs.
const say = (answer) => writeSync(1, `${JSON.stringify(answer)}\n`);

/** Does a whole case, `repeat` times, each with a seed that is so many leaves further; returns seconds,
    what the last gather returned, and what the results of each before add up to. */
async function timed(repeat, seed, leaves, root) {
  const sums = [];
  const start = performance.now();
  let results = await root(seed);
  for (let i = 1; i < repeat; i++) {
    sums.push(results.reduce(add));
    results = await root(seed + i * leaves);
  }
  return { wall_s: (performance.now() - start) / 1e3, sums, results };
}

const serves = (workload) => workload === 'echo' || workload === 'echo_with_deadlines';

async function run(workloads, listen, { workload, case: spec, seed, repeat, trace }) {
  const tracer = trace ? new Tracer() : undefined;
  const gatherAll = tracer ? (n, task) => gather(n, tracer.followed(task)) : gather;
  if (!serves(workload)) {
    const leaves = spec.fan_out ** spec.depth; // Only gather is repeated.
    const root = (from) => workloads[workload](spec, gatherAll, from);
    const done = await timed(repeat, seed, leaves, root);
    return { ...done, flights: tracer?.flights };
  }
  const server = await listen(spec);
  say({ port: server.port });
  const done = await timed(1, seed, 0, () => gatherAll(spec.connections, server.serveOne));
  server.close();
  return { ...done, flights: tracer?.flights };
}

/** Numbers, BigInts and arrays of them, as little-endian integers of 64 bits. */
function write(path, values) {
  const numbers = values.flat();
  const view = new DataView(new ArrayBuffer(numbers.length * 8));
  numbers.forEach((number, i) => view.setBigUint64(i * 8, BigInt(number), true));
  writeFileSync(path, view);
}

// A runtime's own last words would be its version.
const endByError = (error) => {
  say({ error: String(error) });
  process.exit(1);
};

/** Says hello and answers requests until there are no more. A runtime has a `version` and
    - sleep(ms), a promise, and giveWay(), one that lets timers and I/O have their turn, too;
    - listen(spec) for a server, { port, serveOne(), close() }: serveOne() is a task, and resolves to how many
      bytes one connection has echoed;
    - client(spec) for what gets documents, { get(url), close() }: get() resolves to a document. */
export async function serve({ version, listen, ...runtime }) {
  process.on('uncaughtException', endByError);
  const workloads = workloadsOn(runtime);
  say({ hello: { version, task_limit: null } });
  let last;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.request === 'run') {
      if (!serves(request.workload) && !(request.workload in workloads)) {
        say({ no_workload: true });
        continue;
      }
      last = await run(workloads, listen, request).catch(endByError);
      say({ wall_s: last.wall_s });
    } else {
      write(request.results, last.results);
      if (request.sums) write(request.sums, last.sums);
      if (request.flights) write(request.flights, last.flights);
      say({ written: true });
    }
  }
}
