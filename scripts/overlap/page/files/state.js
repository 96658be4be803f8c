"use strict";
// What the page shows, kept in its address's fragment: whoever opens the link sees the same.
const State = (() => {
    const DEFAULTS = { run: "0", baseline: "", metric: "", model: "", language: "", verdict: "", query: "", sort: "", pinned: "", theme: "" };
    const state = { ...DEFAULTS };
    const listeners = [];

    // A fragment without "=" names a place on the page, as links to rows do.
    function read() {
        const text = location.hash.slice(1);
        if (text && !text.includes("=")) return;
        const given = new URLSearchParams(text);
        for (const name of Object.keys(DEFAULTS)) state[name] = given.get(name) ?? DEFAULTS[name];
    }
    function write() {
        const kept = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
        const text = new URLSearchParams(kept).toString();
        history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    }
    function tell() {
        for (const listener of listeners) listener(state);
    }
    function set(changes) {
        Object.assign(state, changes);
        write();
        tell();
    }
    addEventListener("hashchange", () => {
        read();
        tell();
    });
    return {
        state,
        set,
        read,
        reset: () => set({ ...DEFAULTS }),
        isDefault: () => Object.keys(DEFAULTS).every((name) => state[name] === DEFAULTS[name]),
        listen: (listener) => listeners.push(listener),
        pinned: () => new Set(state.pinned ? state.pinned.split(",").map(decodeURIComponent) : []),
        pin: (names) => set({ pinned: [...names].map(encodeURIComponent).join(",") }),
    };
})();
