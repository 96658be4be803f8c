// What bench/README.md asks of tasks, on any runtime. Each workload resolves to the results of one gather, whose
// leaves begin with a seed. Times are performance.now(), milliseconds with a fraction.

import { setTimeout } from 'node:timers/promises';
import { add, delayNs, itemOf, leafValue } from './computing.mjs';

const NS_PER_MS = 1e6;

/** The workloads by name, on what a runtime has: protocol.mjs says what that is. */
export function workloadsOn({ sleep, giveWay, client }) {
  /** Resolves to the time. Timers count whole milliseconds from when the loop last looked at the
      clock, which may be long ago where one turn starts many tasks: who wakes early sleeps again. No
      timer takes less than one of them, so that who is due already yields. */
  async function sleepUntil(deadline) {
    let now = performance.now();
    do {
      await (now < deadline ? sleep(Math.ceil(deadline - now)) : giveWay());
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

  async function leaf(state, work) {
    await giveWay();
    return leafValue(state, work);
  }

  const workOf = (spec, leaf) => (leaf < spec.heavy_leaves ? spec.heavy_work : spec.work);

  /** The values of the children of a node at a position of its level, with so many levels below. */
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
      await giveWay();
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

  /** An AbortSignal is what promises are cancelled by. One for each task: a signal that has many
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
    while (controllers.length < spec.tasks) await giveWay();
    const start = performance.now();
    for (const controller of controllers) controller.abort();
    const told = (await background).every((error) => error?.name === 'AbortError');
    const took = Math.round((performance.now() - start) * NS_PER_MS);
    return [cleanedUp, woken, told ? 1 : 0, took];
  }

  async function getInTurn(spec, seed, task, { get }) {
    let sum = 0;
    for (let i = 0; i < spec.requests; i++) {
      const { values } = await get(spec.url + itemOf(spec, seed, task * spec.requests + i));
      sum += values.reduce((one, other) => one + other); // Below 2^53.
    }
    return sum;
  }

  async function fetchAll(spec, gather, seed) {
    const all = client(spec);
    const sums = await gather(spec.connections, (i) => getInTurn(spec, seed, i, all));
    all.close();
    return sums;
  }

  return { sleeps, gather: gatherTree, heartbeat, mix, cancel, fetch: fetchAll };
}
