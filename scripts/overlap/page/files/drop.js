"use strict";
// Another record file beside this page: read here, sent nowhere. Medians only; nothing is judged.
(() => {
    const { data } = View;
    const target = document.getElementById("dropped");
    const MOST_BYTES = 300e6;
    const MOST_LINES = 400;

    async function textOf(file) {
        if (file.size > MOST_BYTES) throw new Error(`has ${Math.round(file.size / 1e6)} MB; this page reads up to ${MOST_BYTES / 1e6}. ./scripts/compare reads it`);
        const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
        const packed = start[0] === 0x1f && start[1] === 0x8b;
        return packed ? new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).text() : file.text();
    }
    function parsed(line) {
        try {
            const record = JSON.parse(line);
            return record && typeof record === "object" ? record : null;
        } catch {
            return null;
        }
    }
    // By row and metric the values of all samples; which of them count is for scripts/compare to say.
    function readRecords(text) {
        const values = new Map();
        let head = null;
        let unsound = 0;
        for (const line of text.split("\n")) {
            if (!line.trim()) continue;
            const record = parsed(line);
            if (!record) unsound += 1;
            else if (record.kind === "head") head ??= record;
            else if (record.kind === "sample" && record.counters && !record.placebo_of) take(values, record);
        }
        if (!head) throw new Error("has no head record: no record file of scripts/run");
        if (head.format !== 1) throw new Error(`is of format ${JSON.stringify(head.format)}, and this page reads 1`);
        return { head, values, unsound };
    }
    function take(values, { row, counters }) {
        for (const [metric, { counters: lists }] of Object.entries(data.metrics)) {
            const names = lists.find((list) => list.every((name) => typeof counters[name] === "number"));
            if (!names) continue;
            const key = `${metric} ${row}`;
            if (!values.has(key)) values.set(key, []);
            values.get(key).push(names.reduce((sum, name) => sum + counters[name], 0));
        }
    }
    function median(numbers) {
        const sorted = [...numbers].sort((a, b) => a - b);
        const half = sorted.length >> 1;
        return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    function beside(values) {
        const run = data.runs[View.runNumber(State.state)];
        const lines = [];
        for (const workload of run.workloads) {
            for (const theCase of workload.cases) {
                workload.metrics.forEach((metric, i) => {
                    theCase.figures[i].values.forEach((here, place) => {
                        const row = `${theCase.name}/${theCase.backends[place]}`;
                        const there = values.get(`${metric} ${row}`);
                        if (here > 0 && there) lines.push({ row, metric, ratio: median(there) / here, count: there.length });
                    });
                });
            }
        }
        return lines.filter((line) => line.ratio > 0).sort((a, b) => Math.abs(Math.log(b.ratio)) - Math.abs(Math.log(a.ratio)));
    }

    const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
    function table(lines) {
        const box = Object.assign(document.createElement("div"), { className: "scroll", tabIndex: 0 });
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", "The dropped file beside this page");
        const made = document.createElement("table");
        const head = made.createTHead().insertRow();
        for (const title of ["row", "metric", "samples", "dropped ÷ this page"]) {
            head.append(Object.assign(element("th", title), { scope: "col" }));
        }
        const body = made.createTBody();
        for (const line of lines.slice(0, MOST_LINES)) {
            const tr = body.insertRow();
            tr.append(Object.assign(element("th", line.row), { scope: "row" }));
            for (const text of [data.metrics[line.metric].title, String(line.count), Verdicts.ratio(line.ratio)]) tr.append(element("td", text));
        }
        box.append(made);
        return box;
    }
    async function read(file) {
        target.replaceChildren(element("p", `Reading ${file.name} ...`));
        try {
            const { head, values, unsound } = readRecords(await textOf(file));
            const lines = beside(values);
            const machine = head.machine ?? {};
            const cut = lines.length > MOST_LINES ? `, of which the ${MOST_LINES} farthest apart are shown` : "";
            target.replaceChildren(
                element("p", `${file.name}: ${machine.cpu ?? "unknown machine"}, ${machine.cores ?? "?"} cores, ${head.started ?? "?"}, ${head.profile ?? "?"}. ${lines.length} figures in common${cut}.${unsound ? ` ${unsound} lines could not be read.` : ""}`),
            );
            if (lines.length) target.append(table(lines));
        } catch (error) {
            target.replaceChildren(element("p", `${file.name} ${error.message}.`));
        }
    }

    document.getElementById("file").addEventListener("change", (event) => {
        if (event.target.files[0]) read(event.target.files[0]);
    });
    addEventListener("dragover", (event) => {
        event.preventDefault();
        document.body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => {
        if (!event.relatedTarget) document.body.classList.remove("dropping");
    });
    addEventListener("drop", (event) => {
        event.preventDefault();
        document.body.classList.remove("dropping");
        const [file] = event.dataTransfer.files;
        if (!file) return;
        read(file);
        document.getElementById("drop").scrollIntoView();
    });
})();
