// The workloads on Node's event loop. This file is the protocol of ../README.md; what tasks do is
// in workloads.mjs, and how they are started and traced in gather.mjs.

import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Tracer, gather } from './gather.mjs';
import { listen, serveAll, workloads } from './workloads.mjs';

// Synchronous for pipes, so that an answer is out before the next task runs.
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

/** Does a whole case, `repeat` times; returns seconds and what the last gather returned. */
async function timed(repeat, root) {
  let results;
  const start = performance.now();
  for (let i = 0; i < repeat; i++) results = await root();
  return { wall_s: (performance.now() - start) / 1e3, results };
}

async function run({ workload, case: spec, repeat, trace }) {
  const tracer = trace ? new Tracer() : undefined;
  const gatherAll = tracer ? (n, task) => gather(n, tracer.followed(task)) : gather;
  if (workload !== 'echo') {
    const done = await timed(repeat, () => workloads[workload](spec, gatherAll));
    return { ...done, flights: tracer?.flights };
  }
  const server = await listen();
  say({ port: server.address().port });
  const done = await timed(repeat, () => serveAll(server, spec, gatherAll));
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

// Node's own last words would be its version.
process.on('uncaughtException', (error) => {
  say({ error: String(error) });
  process.exit(1);
});

say({ hello: { version: `Node ${process.version}`, task_limit: null } });
let last;
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.request === 'run') {
    if (request.workload !== 'echo' && !(request.workload in workloads)) {
      say({ no_workload: true });
      continue;
    }
    last = await run(request);
    say({ wall_s: last.wall_s });
  } else {
    write(request.results, last.results);
    if (request.flights) write(request.flights, last.flights);
    say({ written: true });
  }
}
