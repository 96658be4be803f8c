// Node's event loop, by what its documentation has for promises and sockets. The tasks are in ../javascript.

import { setImmediate, setTimeout } from 'node:timers/promises';
import { serve } from '../javascript/protocol.mjs';
import { listen } from './echo.mjs';
import { client } from './fetch.mjs';

// setImmediate lets timers and I/O have their turn; a resolved promise would only let other promises have theirs.
await serve({ version: `Node ${process.version}`, sleep: setTimeout, giveWay: setImmediate, listen, client });
