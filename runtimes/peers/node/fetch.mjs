// Documents by node:http: unlike the global fetch(), its Agent says how many connections there are, whether they
// are kept, and closes them.

import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { json } from 'node:stream/consumers';

export function client({ kept, connections }) {
  const agent = new Agent({ keepAlive: kept, maxSockets: connections });
  return {
    close: () => agent.destroy(),
    async get(url) {
      const [answer] = await once(get(url, { agent }), 'response');
      if (answer.statusCode !== 200) throw new Error(`${url}: status ${answer.statusCode}, expected 200`);
      return json(answer);
    },
  };
}
