"use strict";
// Brings the tables and pictures to what the state asks for. They are complete before it does anything.
const View = (() => {
    const data = JSON.parse(document.getElementById("data").textContent);
    const articles = [...document.querySelectorAll("article.run")];
    let shown = []; // The cells of all rows that are to be seen, for downloads.

    const workloadsOf = (run) => data.runs[run].workloads;
    const runNumber = (state) => Math.min(Math.max(0, Number.parseInt(state.run, 10) || 0), articles.length - 1);
    const metricOf = (workload, state) => (workload.metrics.includes(state.metric) ? state.metric : workload.first);

    function show(state) {
        const run = runNumber(state);
        document.documentElement.dataset.theme = ["light", "dark"].includes(state.theme) ? state.theme : "";
        articles.forEach((article, i) => (article.hidden = i !== run));
        const article = articles[run];
        const pinned = State.pinned();
        shown = [];
        article.querySelectorAll(".workload").forEach((section, i) => {
            const workload = workloadsOf(run)[i];
            if (workload) showWorkload(section, workload, state, pinned);
        });
        showPictures(article, run, state);
        return shown;
    }

    function showWorkload(section, workload, state, pinned) {
        const metric = metricOf(workload, state);
        section.querySelector(".of").textContent = `${workload.short[metric]} ÷ ${state.baseline || "baseline"}`;
        const [sort, down] = state.sort.split(":");
        for (const th of section.querySelectorAll("thead th")) {
            th.removeAttribute("aria-sort");
            if (th.dataset.sort === sort) th.setAttribute("aria-sort", down ? "descending" : "ascending");
        }
        const bodies = new Map([...section.querySelectorAll("tbody")].map((body) => [body.dataset.case, body]));
        let any = false;
        for (const theCase of workload.cases) {
            const body = bodies.get(theCase.name);
            const some = showCase(body, workload, theCase, metric, state, pinned);
            body.hidden = !some;
            any ||= some;
        }
        const filtered = state.model || state.language || state.verdict || state.query;
        for (const body of bodies.values()) if (!body.querySelector("[data-place]")) body.hidden = Boolean(filtered);
        section.hidden = !any && Boolean(filtered);
    }

    function showCase(body, workload, theCase, metric, state, pinned) {
        const by = {};
        workload.metrics.forEach((name, i) => (by[name] = Verdicts.cells(data, theCase, name, theCase.figures[i], state.baseline)));
        const reference = theCase.backends[theCase.figures[workload.metrics.indexOf(metric)].reference];
        body.querySelector(".against").textContent = state.baseline || reference || "nothing";
        const rows = [...body.querySelectorAll("tr[data-place]")];
        let visible = 0;
        for (const row of rows) {
            const place = Number(row.dataset.place);
            const cell = by[metric][place];
            const name = `${theCase.name}/${cell.backend}`;
            const isPinned = pinned.has(name);
            fill(row, workload, by, cell, place);
            row.classList.toggle("itself", cell.itself);
            row.classList.toggle("pinned", isPinned);
            row.querySelector(".pin").setAttribute("aria-pressed", String(isPinned));
            row.hidden = !isPinned && !wanted(row, cell, name, state);
            row.order = orderOf(row, workload, by, cell, place, state, isPinned);
            if (row.hidden) continue;
            visible += 1;
            shown.push({ ...cell, metric, model: row.dataset.model, language: row.dataset.language });
        }
        arrange(body, rows);
        return visible > 0;
    }

    function fill(row, workload, by, cell, place) {
        const tds = row.querySelectorAll("td");
        if (tds[0].classList.contains("words")) return;
        workload.metrics.forEach((name, i) => {
            const glyph = tds[2 + i].querySelector("i");
            glyph.textContent = by[name][place].glyph;
            glyph.className = { l: "less", m: "more" }[by[name][place].letter] || "";
        });
        const at = 2 + workload.metrics.length;
        tds[at].textContent = cell.verdict ? Verdicts.ratio(cell.ratio) : "";
        if (cell.verdict) small(tds[at], Verdicts.interval(cell));
        tds[at + 1].textContent = Verdicts.words(cell);
        if (cell.tier) small(tds[at + 1], `tier ${cell.tier}`);
    }
    function small(td, text) {
        const element = document.createElement("small");
        element.textContent = text;
        td.append(" ", element);
    }

    function wanted(row, cell, name, state) {
        if (state.model && row.dataset.model !== state.model) return false;
        if (state.language && row.dataset.language !== state.language) return false;
        if (state.query && !name.toLowerCase().includes(state.query.toLowerCase())) return false;
        if (!state.verdict) return true;
        return state.verdict === "-" ? !cell.verdict && !cell.itself : cell.letter === state.verdict;
    }

    // Rows without a number go last, whichever way is sorted.
    function orderOf(row, workload, by, cell, place, state, isPinned) {
        const [sort, down] = state.sort.split(":");
        row.first ??= [...row.parentElement.children].indexOf(row);
        let key = row.first;
        if (sort === "name") key = cell.backend;
        else if (sort === "ratio") key = cell.itself ? 1 : cell.ratio;
        else if (sort === "tier") key = cell.tier;
        else if (by[sort]) key = by[sort][place].value;
        else if (sort === "c" || sort === "p") {
            const of = workload.traced[`${cell.case}/${cell.backend}`];
            key = of ? of[sort === "c" ? 0 : 1] : null;
        }
        return { pinned: isPinned ? 0 : 1, missing: key == null ? 1 : 0, key, first: row.first, down: down ? -1 : 1 };
    }
    function compare({ order: a }, { order: b }) {
        if (a.pinned !== b.pinned) return a.pinned - b.pinned;
        if (a.missing !== b.missing) return a.missing - b.missing;
        if (a.key === b.key || a.key == null) return a.first - b.first;
        return (a.key < b.key ? -1 : 1) * a.down;
    }
    function arrange(body, rows) {
        const sorted = [...rows].sort(compare);
        if (sorted.some((row, i) => row !== rows[i])) body.append(...sorted);
    }

    function showPictures(article, run, state) {
        const metrics = new Map();
        for (const workload of workloadsOf(run)) for (const { name } of workload.cases) metrics.set(name, metricOf(workload, state));
        for (const figure of article.querySelectorAll(".spread")) {
            figure.hidden = figure.dataset.metric !== metrics.get(figure.dataset.case);
            for (const strip of figure.querySelectorAll(".strip")) strip.classList.toggle("itself", strip.dataset.backend === state.baseline);
        }
    }

    return { data, show, runNumber, shown: () => shown };
})();
