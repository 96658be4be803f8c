"use strict";
// What scripts/compare says of a case against any backend, unpacked from the page's data: the same
// numbers, to the last digit, and the same words. overlap/page/matrix.py packs them.
const Verdicts = (() => {
    const UNITS = 1e7; // Of a logarithm.
    const DIGITS = 7;
    const ITSELF = "0", NO_BLOCK = "n", NONE = ".";
    const unpacked = new WeakMap();

    const ratioOf = (units) => Number(Math.exp(units / UNITS).toPrecision(DIGITS));

    function reach([blocks, centre, below, above]) {
        const bounds = centre == null || below == null ? [centre, null, null] : [centre, centre - below, centre + above];
        return { blocks, bounds };
    }

    // By "baseline subject": blocks, and centre, low and high of the logarithm.
    function pairsOf(figure) {
        if (unpacked.has(figure)) return unpacked.get(figure);
        const pairs = new Map();
        let next = 0;
        const rows = figure.against;
        for (const i of Object.keys(rows).map(Number).sort((a, b) => a - b)) {
            [...rows[i][0]].forEach((letter, j) => {
                if (j <= i || [ITSELF, NO_BLOCK, NONE].includes(letter)) return;
                const found = reach(figure.pairs[next++]);
                const [centre, low, high] = found.bounds.map((x) => (x == null ? null : -x));
                pairs.set(`${i} ${j}`, found).set(`${j} ${i}`, { blocks: found.blocks, bounds: [centre, high, low] });
            });
        }
        for (const [i, j, ...rest] of figure.turned) pairs.set(`${i} ${j}`, reach(rest));
        unpacked.set(figure, pairs);
        return pairs;
    }

    // The cells of a case by one metric, in the order of its backends, with the names of fields that
    // scripts/compare --format json has. An empty `baseline` is the case's reference.
    function cells(data, theCase, metric, figure, baseline) {
        const names = theCase.backends;
        const base = baseline ? names.indexOf(baseline) : figure.reference ?? -1;
        const row = figure.against[base];
        const letters = data.letters;
        let unknown = 0;
        return names.map((backend, i) => {
            const letter = row ? row[0][i] : NONE;
            const cell = { case: theCase.name, backend, value: figure.values[i], words: null, baseline: null, baseline_value: null, how: null, blocks: null, ratio: null, low_95: null, high_95: null, verdict: null, more_blocks: null, tier: null, depends_on_contaminated: null, glyph: "", itself: letter === ITSELF };
            if (row && row[2][i] !== NONE) cell.tier = parseInt(row[2][i], 36);
            if (figure.words[i] !== undefined) cell.words = figure.words[i];
            else if (letter === NO_BLOCK) cell.words = "no block has both";
            else if (!row) cell.words = base < 0 ? `nothing to compare with: no ${baseline || "reference"}` : `nothing to compare with: ${names[base]}: ${figure.words[base]}`;
            if (row && !cell.itself && figure.words[i] === undefined) {
                cell.baseline = names[base];
                cell.baseline_value = figure.values[base];
            }
            const known = letters[letter.toLowerCase()];
            if (!known || letter === NO_BLOCK) return cell;
            const pair = pairsOf(figure).get(`${base} ${i}`);
            const [ratio, low, high] = pair.bounds.map((x) => (x == null ? null : ratioOf(x)));
            return Object.assign(cell, { how: data.how, blocks: pair.blocks, ratio, low_95: low, high_95: high, letter: letter.toLowerCase(), verdict: data.metrics[metric].words[letter.toLowerCase()], glyph: known, more_blocks: letter.toLowerCase() === "u" ? row[1][unknown++] : null, depends_on_contaminated: letter !== letter.toLowerCase() });
        });
    }

    // Numbers as scripts/overlap/base/units.py and verdict_page.py write them.
    function digits(value) {
        const size = Math.abs(Number(value.toPrecision(3)));
        let decimals = size >= 100 ? 0 : size >= 10 ? 1 : 2;
        if (size > 0 && size < 0.1) decimals = 1 - Math.floor(Math.log10(size));
        return value.toFixed(decimals);
    }
    const plain = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",") : digits(value));
    function ratio(value) {
        if (value == null) return "–";
        return value > 0.8 && value < 1.25 ? value.toFixed(3) : plain(value);
    }
    const interval = (cell) => (cell.low_95 == null || cell.high_95 == null ? "–" : `[${ratio(cell.low_95)}, ${ratio(cell.high_95)}]`);
    function words(cell) {
        if (!cell.verdict) return cell.words || (cell.itself ? "baseline" : "");
        let text = `${cell.glyph} ${cell.verdict}`;
        if (cell.letter === "u") {
            const more = cell.more_blocks == null || cell.more_blocks === 0 ? "over 1,000" : cell.more_blocks.toLocaleString("en-US");
            text += ` (+${more} block${cell.more_blocks === 1 ? "" : "s"})`;
        }
        return text + (cell.depends_on_contaminated ? " †" : "");
    }
    return { cells, ratio, interval, words };
})();
