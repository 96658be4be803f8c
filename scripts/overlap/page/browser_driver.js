"use strict";
// Opens a page as people do, and prints what it saw as JSON: node browser_driver.js PAGE RECORDS FOLDER
const fs = require("fs");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [page, records, folder] = process.argv.slice(2);
const address = `file://${page}`;
const found = { errors: [], requests: [], violations: [], baselines: {}, wide: [], mouse: {}, keyboard: {} };

async function opened(browser, options, fragment = "", folded = false) {
    const context = await browser.newContext({ reducedMotion: "reduce", acceptDownloads: true, ...options });
    const tab = await context.newPage();
    tab.on("console", (message) => message.type() === "error" && found.errors.push(message.text()));
    tab.on("pageerror", (error) => found.errors.push(String(error)));
    tab.on("request", (request) => {
        if (!/^(file|data|blob):/.test(request.url())) found.requests.push(request.url());
    });
    await tab.goto(address + fragment);
    if (!folded) await tab.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))");
    return tab;
}
const rowsOf = (tab) => tab.locator("tr[data-place]:visible").count();
const state = (tab) => new URL(tab.url()).hash;

async function downloaded(tab, act) {
    const [download] = await Promise.all([tab.waitForEvent("download"), act()]);
    const path = `${folder}/${download.suggestedFilename()}`;
    await download.saveAs(path);
    return fs.readFileSync(path, "utf8");
}

async function seeBaselines(tab) {
    const names = await tab.$$eval("#baseline option", (options) => options.map((o) => o.value));
    for (const name of names) {
        await tab.selectOption("#baseline", name);
        found.baselines[name] = JSON.parse(await downloaded(tab, () => tab.click("#json"))).cells;
    }
    await tab.click("#reset");
}

// What each control does when it is used as `how` says: the state that it leaves in the address.
async function useControls(tab, how) {
    const seen = found[how];
    const after = async (name, what = () => state(tab)) => {
        seen[name] = await what();
        await tab.click("#reset");
    };
    for (const name of await tab.$$eval("#controls select", (all) => all.map((e) => e.id))) {
        if ((await tab.locator(`#${name} option`).count()) < 2) continue;
        if (how === "mouse") await tab.selectOption(`#${name}`, { index: 1 });
        else {
            await tab.focus(`#${name}`);
            await tab.keyboard.press("ArrowDown");
        }
        await after(name);
    }
    const use = async (locator) => {
        if (how === "mouse") return locator.click();
        await locator.focus();
        await tab.keyboard.press("Enter");
    };
    await (how === "mouse" ? tab.click("#query") : tab.focus("#query"));
    await tab.keyboard.type("pool");
    await after("query");
    await use(tab.locator("button.base", { hasText: "thread_pool" }).first());
    await after("base");
    for (const times of [1, 2]) {
        for (let i = 0; i < times; i += 1) await use(tab.locator('thead [data-sort="cpu"] button, thead [data-sort="wall"] button').first());
        await after(`sort ${times}`);
    }
    await tab.locator("tr[data-place]").first().hover();
    await use(tab.locator("button.pin").first());
    await after("pin");
    for (const name of ["csv", "json"]) await after(name, async () => (await downloaded(tab, () => use(tab.locator(`#${name}`)))).length);
    await use(tab.locator('nav a[href="#tables"]'));
    await after("link", () => tab.evaluate("document.activeElement.textContent"));
    await tab.setInputFiles("#file", records);
    await tab.waitForFunction("/figures in common|\\.$/.test(document.querySelector('#dropped').textContent)");
    await after("file", () => tab.locator("#dropped").innerText());
}

// Everything that can be used is reached by the key for it.
async function tabThrough(browser) {
    const tab = await opened(browser, {});
    const last = "document.activeElement.id === 'file'";
    const reached = new Set();
    for (let i = 0; i < 3000 && !(await tab.evaluate(last)); i += 1) {
        await tab.keyboard.press("Tab");
        reached.add(await tab.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.localName"));
    }
    found.reached = [...reached];
}

async function printed(browser) {
    const tab = await opened(browser, { viewport: { width: 794, height: 1123 }, colorScheme: "dark" }, "", true);
    await tab.emulateMedia({ media: "print" });
    found.print = await tab.evaluate(`({
        controls: getComputedStyle(document.querySelector(".controls")).display,
        back: getComputedStyle(document.body).backgroundColor,
        wide: document.documentElement.scrollWidth,
        hidden: [...document.querySelectorAll("tr[data-place], .claim li")].filter((e) => !e.checkVisibility({ contentVisibilityAuto: true })).length,
        larger: [...document.querySelectorAll("table small")].filter((e) => parseFloat(getComputedStyle(e).fontSize) > parseFloat(getComputedStyle(e.parentElement).fontSize)).length,
    })`);
}

async function main(browser) {
    const tab = await opened(browser, { colorScheme: "light" });
    found.title = await tab.title();
    found.rows = await rowsOf(tab);
    await seeBaselines(tab);
    for (const how of ["mouse", "keyboard"]) await useControls(tab, how);
    await tabThrough(browser);

    await tab.selectOption("#model", { index: 1 });
    await tab.selectOption("#theme", "dark");
    await tab.locator("thead button").nth(3).click();
    found.state = state(tab);
    const other = await opened(browser, {}, found.state);
    await other.locator("#baseline").focus();
    found.shared = state(other);
    if ((await rowsOf(other)) !== (await rowsOf(tab))) found.errors.push("the link shows other rows");
    await tab.click("#reset");
    found.reset = state(tab);

    for (const options of [{ colorScheme: "light" }, { colorScheme: "dark" }, { javaScriptEnabled: false }]) {
        const narrow = await opened(browser, { viewport: { width: 320, height: 700 }, ...options });
        found.wide.push(await narrow.evaluate("document.documentElement.scrollWidth"));
        if (options.javaScriptEnabled === false) {
            found.rows_without_scripts = await rowsOf(narrow);
            found.pictures_without_scripts = await narrow.locator("figure svg:visible").count();
            continue;
        }
        await narrow.evaluate(axe);
        const { violations } = await narrow.evaluate("axe.run()");
        found.violations.push(...violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`));
    }
    await printed(browser);
    for (const reducedMotion of ["reduce", "no-preference"]) {
        const moving = await opened(browser, { reducedMotion });
        found[reducedMotion] = await moving.evaluate("getComputedStyle(document.documentElement).scrollBehavior");
    }
}

(async () => {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
    try {
        await main(browser);
    } finally {
        await browser.close();
    }
    console.log(JSON.stringify(found));
})();
