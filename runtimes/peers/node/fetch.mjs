// Fetch, by node:http: unlike the global fetch(), its Agent says how many connections there are, whether they
// are kept, and closes them.

import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { json } from 'node:stream/consumers';
import { itemOf } from './computing.mjs';

async function sumOf(url, agent) {
  const [answer] = await once(get(url, { agent }), 'response');
  if (answer.statusCode !== 200) throw new Error(`${url}: status ${answer.statusCode}, expected 200`);
  const { values } = await json(answer);
  return values.reduce((sum, value) => sum + value); // Below 2^53.
}

async function getInTurn(spec, seed, task, agent) {
  let sum = 0;
  for (let i = 0; i < spec.requests; i++) {
    sum += await sumOf(spec.url + itemOf(spec, seed, task * spec.requests + i), agent);
  }
  return sum;
}

export async function fetchAll(spec, gather, seed) {
  const agent = new Agent({ keepAlive: spec.kept, maxSockets: spec.connections });
  const sums = await gather(spec.connections, (i) => getInTurn(spec, seed, i, agent));
  agent.destroy();
  return sums;
}
