// The page of examples/spa as a person uses it: `cargo run --example demo`, with and without sign-in, and both tabs.
// `SCREENSHOTS=1 ENGINE=chromium node --test spa.test.mjs` also makes the pictures in docs/images.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";

import { launch } from "./support/browser.mjs";
import { startDemo } from "./support/demo.mjs";
import { differing } from "./support/differences.mjs";
import { ROOT } from "./support/lab.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = 1100;
const NARROW = 500;

const page = await launch();
after(() => page.close());

async function open(address, width = WIDE) {
  await page.resize(width, 1200);
  await page.goto(address);
  await page.waitFor(() => !document.querySelector("main").hidden && document.getElementById("source").textContent);
}

// What the page's content policy stops shows in the console alone.
afterEach(async () => assert.doesNotMatch((await page.consoleText()) ?? "", /Content.Security.Policy/i));

/** Reads a secret as a person does, and returns what the page says. */
async function read(name) {
  await page.fill("#name", name);
  await page.click("#read");
  return page.waitFor(() => {
    const { kind, code } = document.getElementById("result").dataset;
    return kind && { kind, code, value: document.getElementById("value")?.textContent ?? null };
  });
}

const good = (value) => ({ kind: "good", code: "", value });
const bad = (code) => ({ kind: "bad", code, value: null });

/** The whole page, as tall as it is. */
async function picture(name) {
  if (!process.env.SCREENSHOTS) return;
  await page.resize(WIDE, (await page.evaluate(() => document.documentElement.scrollHeight)) + 200);
  const folder = process.env.SCREENSHOTS === "1" ? join(ROOT, "docs/images") : process.env.SCREENSHOTS;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.png`), await page.screenshot());
}

/** What axe finds, and controls smaller than a finger. */
async function faults() {
  await page.command("POST", "/execute/sync", { script: `${AXE}; window.axe = axe;`, args: [] });
  return page.evaluate(async () => {
    const { violations } = await axe.run();
    const small = [...document.querySelectorAll("button, input:not([type=radio]), select, a.button, .choices label")]
      .map((control) => [control.textContent.trim() || control.id, control.getBoundingClientRect()])
      .filter(([, { width, height }]) => width > 0 && (height < 44 || width < 44))
      .map(([label]) => `${label} is smaller than 44 px`);
    const wide = document.documentElement.scrollWidth > innerWidth ? ["the page scrolls sideways"] : [];
    return [...violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), ...small, ...wide];
  });
}

describe("the demo", () => {
  let running;
  before(async () => (running = await startDemo()));
  after(() => running.stop());

  for (const tab of ["tab-fetch", "tab-sdk"]) {
    test(`${tab}: an allowed page shows the value, or says what is wrong`, async () => {
      await open(running.allowed);
      await page.click(`#${tab}`);
      for (const [name, expected] of [
        ["maps-key", good("demo-maps-key-5f1d3c")],
        ["expired-key", bad("SecretExpired")],
        ["disabled-key", bad("SecretDisabled")],
        ["tls-cert", bad("SecretNotFound")],
        ["database-password", bad("SecretNotFound")],
        ["a_b", bad("BadParameter")],
      ]) {
        assert.deepEqual(await read(name), expected, name);
      }
      await read("maps-key");
      if (tab === "tab-fetch") await picture("page-allowed");
    });

    test(`${tab}: on a page that is not allowed the browser keeps the answer, and the page names the causes`, async () => {
      await open(running.refused);
      await page.click(`#${tab}`);
      assert.deepEqual(await read("maps-key"), bad("blocked"));
      const words = await page.evaluate(() => document.getElementById("result").textContent);
      for (const cause of [/Wrong origin: status 403/, /Missing function key: status 401/, /Nothing there: no status/]) {
        assert.match(words, cause);
      }
      assert.ok(words.includes(`Add ${running.refused} to ALLOWED_ORIGINS`), words);
      if (tab === "tab-fetch") await picture("page-refused");
    });
  }

  test("a refusal to try is read by its button, and the result stands before it", async () => {
    await open(running.allowed);
    await page.click("#try-vault button");
    await page.waitFor(() => document.getElementById("result").dataset.code === "SecretExpired");
    const isBefore = await page.evaluate(() => {
      const place = document.getElementById("result").compareDocumentPosition(document.getElementById("tries"));
      return Boolean(place & Node.DOCUMENT_POSITION_FOLLOWING);
    });
    assert.ok(isBefore);
  });

  test("the vault's troubles show as what they are", async () => {
    await open(running.allowed);
    for (const [state, name, code] of [
      ["throttling", "fresh-1", "Throttled"],
      ["refusing", "fresh-2", "VaultAccessDenied"],
      ["down", "fresh-3", "VaultUnavailable"],
    ]) {
      await page.evaluate((state) => fetch(`vault/${state}`, { method: "POST" }), state);
      assert.deepEqual(await read(name), bad(code), state);
      assert.equal((await read("maps-key")).kind, "good", "what is in memory is still served");
    }
    await page.evaluate(() => fetch("vault/healthy", { method: "POST" }));
  });

  for (const width of [WIDE, NARROW]) {
    test(`at ${width} px axe finds nothing, everything is large enough to touch, and nothing jumps`, async () => {
      await open(running.allowed, width);
      const shift = await page.evaluate(() => {
        if (!PerformanceObserver.supportedEntryTypes.includes("layout-shift")) return "no such API";
        const observer = new PerformanceObserver(() => {});
        observer.observe({ type: "layout-shift", buffered: true });
        return observer.takeRecords().reduce((sum, { value }) => sum + value, 0);
      });
      assert.equal(shift, differing("layout shift") === "measured" ? 0 : "no such API");
      assert.deepEqual(await faults(), []);
      await open(running.refused, width);
      await read("maps-key");
      assert.deepEqual(await faults(), []);
    });
  }
});

describe("the demo with sign-in", () => {
  let running;
  before(async () => (running = await startDemo("--entra")));
  after(() => running.stop());

  for (const tab of ["tab-fetch", "tab-sdk"]) {
    test(`${tab}: only those who are signed in, and may, read the secret`, async () => {
      const isShown = (id) => page.waitFor((id) => !document.getElementById(id).hidden, id);
      await open(running.allowed);
      await page.click(`#${tab}`);
      assert.deepEqual(await read("maps-key"), bad("Unauthorized"));
      await page.click("#sign-in");
      await isShown("sign-out");
      assert.equal((await read("maps-key")).kind, "good");
      if (tab === "tab-sdk") await picture("page-signed-in");
      await page.click("#sign-out");
      await isShown("sign-in");
      assert.deepEqual(await read("maps-key"), bad("Unauthorized"));
      await page.click("#person option:nth-child(2)");
      await page.click("#sign-in");
      await isShown("sign-out");
      assert.deepEqual(await read("maps-key"), bad("CallerNotAllowed"));
    });
  }
});
