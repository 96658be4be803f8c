"use strict";
// Opens a page as people do, and prints what it saw as JSON: node browser_driver.js PAGE FOLDER
const fs = require("fs");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [page, folder] = process.argv.slice(2);
const address = `file://${page}`;
const found = { errors: [], requests: [], violations: [], baselines: {}, wide: [] };

async function opened(browser, options, fragment = "") {
    const context = await browser.newContext({ reducedMotion: "reduce", ...options });
    const tab = await context.newPage();
    tab.on("console", (message) => message.type() === "error" && found.errors.push(message.text()));
    tab.on("pageerror", (error) => found.errors.push(String(error)));
    tab.on("request", (request) => {
        if (!/^(file|data|blob):/.test(request.url())) found.requests.push(request.url());
    });
    await tab.goto(address + fragment);
    return tab;
}
const rowsOf = (tab) => tab.locator("tr[data-place]:visible").count();
const state = (tab) => new URL(tab.url()).hash;

async function downloaded(tab) {
    const [download] = await Promise.all([tab.waitForEvent("download"), tab.click("#json")]);
    const path = `${folder}/downloaded.json`;
    await download.saveAs(path);
    return JSON.parse(fs.readFileSync(path, "utf8")).cells;
}

async function main(browser) {
    const tab = await opened(browser, { colorScheme: "light", acceptDownloads: true });
    found.title = await tab.title();
    found.rows = await rowsOf(tab);
    const names = await tab.$$eval("#baseline option", (options) => options.map((o) => o.value));
    for (const name of names) {
        await tab.selectOption("#baseline", name);
        found.baselines[name] = await downloaded(tab);
    }
    await tab.click("#reset");
    const base = tab.locator("button.base", { hasText: "thread_pool" }).first();
    await base.click();
    found.mouse = await tab.inputValue("#baseline");
    await tab.click("#reset");
    await base.focus();
    await tab.keyboard.press("Enter");
    found.keyboard = await tab.inputValue("#baseline");
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
            continue;
        }
        await narrow.evaluate(axe);
        const { violations } = await narrow.evaluate("axe.run()");
        found.violations.push(...violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`));
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
