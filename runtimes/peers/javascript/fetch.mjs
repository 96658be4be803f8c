// Documents by the global fetch(), which keeps connections as it finds them free.

/** For what gets documents with these options. */
export const clientWith = (options) => ({
  close() {},
  async get(url) {
    const answer = await fetch(url, options);
    if (answer.status !== 200) throw new Error(`${url}: status ${answer.status}, expected 200`);
    return answer.json();
  },
});
