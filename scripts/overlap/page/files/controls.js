"use strict";
// The controls, each of which only changes the state, and downloads of what is shown.
(() => {
    const { data } = View;
    const form = document.getElementById("controls");
    const control = Object.fromEntries([...form.elements].filter((e) => e.id).map((e) => [e.id, e]));

    function options(select, pairs) {
        select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
    }
    function fill(state) {
        const run = data.runs[View.runNumber(state)];
        options(control.baseline, [["", "reference"], ...run.backends.map((name) => [name, name])]);
        options(control.metric, [["", "usual"], ...run.metrics.map((name) => [name, data.metrics[name].title])]);
        options(control.model, [["", "all"], ...run.models.map((name) => [name, name])]);
        options(control.language, [["", "all"], ...run.languages.map((name) => [name, name])]);
        const words = { l: "faster, less", m: "slower, more", s: "same", d: "differs, less than matters", u: "unknown", w: "machine unstable", "-": "not judged" };
        options(control.verdict, [["", "all"], ...Object.entries(words).map(([key, text]) => [key, data.letters[key] ? `${data.letters[key]} ${text}` : text])]);
    }
    let filledFor = null;
    function reflect(state) {
        const run = View.runNumber(state);
        if (filledFor !== run) fill(state);
        filledFor = run;
        for (const [name, element] of Object.entries(control)) {
            if (!(name in state) || element.value === state[name]) continue;
            element.value = state[name];
            // A link may ask for what this page has not: said rather than dropped.
            if (element.tagName === "SELECT" && element.selectedIndex < 0) {
                element.add(new Option(`${state[name]} (not here)`, state[name]));
                element.value = state[name];
            }
        }
    }
    function update(state) {
        reflect(state);
        const count = View.show(state).length;
        document.getElementById("shown").textContent = `${count} row${count === 1 ? "" : "s"}`;
    }

    for (const [name, element] of Object.entries(control)) {
        if (name in State.state) element.addEventListener(element.type === "search" ? "input" : "change", () => State.set(name === "run" ? { run: element.value, baseline: "", pinned: "" } : { [name]: element.value }));
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => {
        event.preventDefault();
        State.reset();
    });

    // Links within the page leave its state in the address as it is.
    document.addEventListener("click", (event) => {
        const link = event.target.closest('a[href^="#"]');
        if (!link) return;
        event.preventDefault();
        const name = decodeURIComponent(link.hash.slice(1));
        if (document.getElementById(name)?.dataset.place) return goTo(name);
        const place = document.querySelector(`article:not([hidden]) [data-part="${CSS.escape(name)}"]`) ?? document.getElementById(name);
        place?.scrollIntoView();
        const heading = place?.querySelector("h2");
        if (!heading) return;
        heading.tabIndex = -1;
        heading.focus({ preventScroll: true });
    });
    document.querySelector("main").addEventListener("click", (event) => {
        const base = event.target.closest("button.base");
        const pin = event.target.closest("button.pin");
        const sort = event.target.closest("thead button");
        const row = event.target.closest("tr[data-place]");
        if (pin) {
            const names = State.pinned();
            const name = nameOf(row);
            if (!names.delete(name)) names.add(name);
            State.pin(names);
        } else if (sort) {
            const by = sort.closest("th").dataset.sort;
            const next = { [by]: `${by}:down`, [`${by}:down`]: "" };
            State.set({ sort: next[State.state.sort] ?? by });
        } else if (base || (row && !event.target.closest("a") && !String(getSelection()))) {
            const name = row.querySelector(".base").textContent;
            State.set({ baseline: State.state.baseline === name ? "" : name });
        }
    });
    const nameOf = (row) => `${row.parentElement.dataset.case}/${row.querySelector(".base").textContent}`;

    // A row that a filter hides is pinned rather than not found.
    function goTo(id) {
        const row = document.getElementById(id);
        if (!row) return;
        const names = State.pinned();
        names.add(nameOf(row));
        State.pin(names);
        const fold = row.closest("details");
        if (fold) fold.open = true;
        row.scrollIntoView({ block: "center" });
        row.querySelector(".base").focus({ preventScroll: true });
    }

    function download(name, kind, text) {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([text], { type: kind }));
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }
    const FIELDS = ["case", "backend", "model", "language", "metric", "value", "words", "baseline", "baseline_value", "how", "blocks", "ratio", "low_95", "high_95", "verdict", "more_blocks", "tier", "depends_on_contaminated"];
    const picked = () => View.shown().map((cell) => Object.fromEntries(FIELDS.map((name) => [name, cell[name]])));
    function csvOf(value) {
        const text = value == null ? "" : String(value);
        // Spreadsheets take what begins so for a formula.
        const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
        return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    }
    control.csv.addEventListener("click", () => {
        const lines = [FIELDS, ...picked().map((cell) => FIELDS.map((name) => cell[name]))];
        download("overlap.csv", "text/csv", `${lines.map((line) => line.map(csvOf).join(",")).join("\n")}\n`);
    });
    control.json.addEventListener("click", () => {
        const run = data.runs[View.runNumber(State.state)];
        download("overlap.json", "application/json", `${JSON.stringify({ file: run.name, head: run.head, cells: picked() }, null, 2)}\n`);
    });

    document.documentElement.classList.add("js");
    for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
    for (const th of document.querySelectorAll("thead th[data-sort]")) {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...th.childNodes);
        th.append(button);
    }
    State.listen(update);
    State.read();
    update(State.state);
    const place = decodeURIComponent(location.hash.slice(1));
    if (place.startsWith("r") && !place.includes("=")) goTo(place);
})();
