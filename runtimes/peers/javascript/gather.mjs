// Tasks: async functions of their index, many at once.

/** Starts n tasks, and resolves to their results in order. The length of the array is known, so it
    is made at once rather than grown. */
export function gather(n, task) {
  const started = new Array(n);
  for (let i = 0; i < n; i++) started[i] = task(i);
  return Promise.all(started);
}

const nowNs = () => Math.round(performance.now() * 1e6);

/** Notes when tasks begin and end, in pairs of nanoseconds. */
export class Tracer {
  flights = [];

  followed(task) {
    return async (index) => {
      const start = nowNs();
      const result = await task(index);
      this.flights.push(start, nowNs());
      return result;
    };
  }
}
