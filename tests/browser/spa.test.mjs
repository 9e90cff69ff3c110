// The page of examples/spa as a person uses it: `cargo run --example demo`, with and without sign-in, and both tabs.
// `SCREENSHOTS=1 node --test spa.test.mjs` also makes the pictures in docs/images.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { chromium } from "playwright-core";

import { FLAGS, executable } from "./support/browser.mjs";
import { ROOT, build } from "./support/lab.mjs";

const browser = await chromium.launch({ executablePath: executable(), args: FLAGS });
after(() => browser.close());

/** Starts the demo, and returns the addresses of its two pages with a way to end it. */
async function demo(...options) {
  const child = spawn(build().demo, options, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  let said = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk;
    if (/^Stop with Ctrl-C\.$/m.test(said)) break;
  }
  child.stdout.resume();
  const address = (label) => new RegExp(`^  ${label} +(http://\\S+)`, "m").exec(said)?.[1];
  const stop = async () => {
    child.kill();
    await ended;
  };
  return { allowed: address("Page"), refused: address("Same page"), stop };
}

/** Opens a page of the demo; whatever its content policy stops, or its scripts throw, fails the test. */
async function open(t, address) {
  const page = await browser.newPage({ viewport: { width: 860, height: 900 } });
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) faults.push(message.text());
  });
  t.after(async () => {
    await page.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(address);
  await page.getByLabel("Secret name").waitFor();
  return page;
}

/** Reads a secret as a person does, and returns what the page says. */
async function read(page, name) {
  await page.getByLabel("Secret name").fill(name);
  await page.getByRole("button", { name: "Read the secret" }).click();
  const result = page.locator('#result:not([data-kind=""])');
  await result.waitFor();
  const { kind, code } = await result.evaluate(({ dataset }) => ({ ...dataset }));
  const value = page.locator("#value");
  return { kind, code, value: (await value.count()) ? await value.textContent() : null };
}

const good = (value) => ({ kind: "good", code: "", value });
const bad = (code) => ({ kind: "bad", code, value: null });

async function picture(page, name) {
  if (!process.env.SCREENSHOTS) return;
  const folder = join(ROOT, "docs/images");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

describe("the demo", () => {
  let running;
  before(async () => (running = await demo()));
  after(() => running.stop());

  for (const tab of ["fetch", "SecretClient"]) {
    test(`${tab}: an allowed page shows the value, or says what is wrong`, async (t) => {
      const page = await open(t, running.allowed);
      await page.getByRole("tab", { name: tab, exact: true }).click();
      for (const [name, expected] of [
        ["maps-key", good("demo-maps-key-5f1d3c")],
        ["expired-key", bad("SecretExpired")],
        ["disabled-key", bad("SecretDisabled")],
        ["tls-cert", bad("SecretNotFound")],
        ["database-password", bad("SecretNotFound")],
        ["a_b", bad("BadParameter")],
      ]) {
        assert.deepEqual(await read(page, name), expected, name);
      }
      await read(page, "maps-key");
      if (tab === "fetch") await picture(page, "page-allowed");
    });

    test(`${tab}: on a page that is not allowed the browser keeps the answer`, async (t) => {
      const page = await open(t, running.refused);
      await page.getByRole("tab", { name: tab, exact: true }).click();
      assert.deepEqual(await read(page, "maps-key"), bad("blocked"));
      if (tab === "fetch") await picture(page, "page-refused");
    });
  }

  test("the vault's troubles show as what they are", async (t) => {
    const page = await open(t, running.allowed);
    for (const [state, name, code] of [
      ["throttles", "fresh-1", "Throttled"],
      ["refuses the app", "fresh-2", "VaultAccessDenied"],
      ["is down", "fresh-3", "VaultUnavailable"],
    ]) {
      const changed = (response) => response.url().includes("/vault/");
      await Promise.all([page.waitForResponse(changed), page.getByLabel(state).check()]);
      assert.deepEqual(await read(page, name), bad(code), state);
      assert.equal((await read(page, "maps-key")).kind, "good", "what is in memory is still served");
    }
  });
});

describe("the demo with sign-in", () => {
  let running;
  before(async () => (running = await demo("--entra")));
  after(() => running.stop());

  for (const tab of ["fetch", "SecretClient"]) {
    test(`${tab}: only those who are signed in, and may, read the secret`, async (t) => {
      const page = await open(t, running.allowed);
      await page.getByRole("tab", { name: tab, exact: true }).click();
      const signIn = page.getByRole("button", { name: "Sign in" });
      const signOut = page.getByRole("button", { name: "Sign out" });
      assert.deepEqual(await read(page, "maps-key"), bad("Unauthorized"));
      await signIn.click();
      await signOut.waitFor();
      assert.equal((await read(page, "maps-key")).kind, "good");
      if (tab === "SecretClient") await picture(page, "page-signed-in");
      await signOut.click();
      await signIn.waitFor();
      assert.deepEqual(await read(page, "maps-key"), bad("Unauthorized"));
      await page.getByLabel("Demo user who").selectOption({ index: 1 });
      await signIn.click();
      await signOut.waitFor();
      assert.deepEqual(await read(page, "maps-key"), bad("CallerNotAllowed"));
    });
  }
});
