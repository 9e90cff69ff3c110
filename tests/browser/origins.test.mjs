// Pages that may not read the secret: the browser keeps the answer from them, and the vault is not asked.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { BLOCKED, addFrame, ask, launch, serveNames, servePages } from "./support/browser.mjs";
import { Lab, PATH, VALUE } from "./support/lab.mjs";

const lab = await Lab.start();
const port = await servePages();
const otherPort = await servePages();
const tlsPort = await lab.tls(port);
// The names of a deployed site, which only this browser knows, on the ports that belong to their schemes.
const SITES = ["app.contoso.test", "a.b.contoso.test", "contoso.test", "notcontoso.test", "contoso.test.evil.test"];
const names = Object.fromEntries(SITES.map((name) => [name, { http: port, https: tlsPort }]));
const proxy = await serveNames(names);
const page = await launch({ proxy });

/** A handler behind TLS, at a name of its own: WebKit lets no page on https ask one on http, not even on this machine. */
async function deploy(settings) {
  const handler = await lab.handler(settings);
  const name = `api-${handler.port}.contoso-api.test`;
  names[name] = { https: await lab.tls(handler.port) };
  return Object.assign(handler, { apiUrl: `https://${name}` });
}
after(async () => {
  await page.close();
  await lab.stop();
});

const WITH_TOKEN = { headers: { Authorization: "Bearer not-looked-at" } };

/** Fails unless a page or frame gets nothing from this handler, by a simple request or by one with a preflight. */
async function assertRefused(frame, handler, origin) {
  await lab.forget();
  assert.deepEqual(await ask(frame, handler.apiUrl + PATH), BLOCKED, origin);
  assert.deepEqual(await ask(frame, handler.apiUrl + PATH, WITH_TOKEN), BLOCKED, origin);
  const seen = handler.take();
  assert.deepEqual(
    seen.map(({ method }) => method),
    ["GET", "OPTIONS"],
    `${origin}: a refused preflight ends it`,
  );
  assert.deepEqual(
    seen.map(({ headers }) => headers.origin),
    [origin, origin],
  );
  await lab.assertUntouched();
}

async function assertAllowed(frame, handler, origin) {
  for (const init of [{}, WITH_TOKEN]) {
    const answer = await ask(frame, handler.apiUrl + PATH, init);
    assert.equal(answer.status, 200, origin);
    assert.equal(JSON.parse(answer.text).value, VALUE, origin);
  }
  assert.deepEqual(handler.methods(), ["GET", "OPTIONS", "GET"], origin);
}

/** A sandboxed iframe on the page: its origin is opaque, and sent as `null`. */
function sandboxed() {
  return addFrame(page, { srcdoc: "<!doctype html><title>A frame</title>", sandbox: "allow-scripts" });
}

test("an exact origin is that scheme, that host and that port", async () => {
  const allowed = `http://localhost:${port}`;
  const handler = await deploy({ ALLOWED_ORIGINS: allowed });
  await page.goto(allowed);
  await assertAllowed(page, handler, allowed);
  for (const origin of [`http://localhost:${otherPort}`, `http://127.0.0.1:${port}`, `https://localhost:${tlsPort}`]) {
    await page.goto(origin);
    await assertRefused(page, handler, origin);
  }
});

test("the origin of a page on https is not its twin on http", async () => {
  const handler = await deploy({ ALLOWED_ORIGINS: "https://app.contoso.test" });
  await page.goto("https://app.contoso.test");
  await assertAllowed(page, handler, "https://app.contoso.test");
  await page.goto("http://app.contoso.test");
  await assertRefused(page, handler, "http://app.contoso.test");
});

test("a wildcard allows subdomains at any depth, and neither the apex nor a look-alike", async () => {
  const handler = await deploy({ ALLOWED_ORIGINS: "https://*.contoso.test" });
  for (const origin of ["https://app.contoso.test", "https://a.b.contoso.test"]) {
    await page.goto(origin);
    await assertAllowed(page, handler, origin);
  }
  for (const origin of [
    "https://contoso.test",
    "https://notcontoso.test",
    "https://contoso.test.evil.test",
    "http://app.contoso.test",
  ]) {
    await page.goto(origin);
    await assertRefused(page, handler, origin);
  }
});

test("a wildcard for the port allows any, of that scheme and host", async () => {
  const handler = await deploy({ ALLOWED_ORIGINS: "http://localhost:*" });
  for (const origin of [`http://localhost:${port}`, `http://localhost:${otherPort}`]) {
    await page.goto(origin);
    await assertAllowed(page, handler, origin);
  }
  await page.goto(`https://localhost:${tlsPort}`);
  await assertRefused(page, handler, `https://localhost:${tlsPort}`);
});

test("a sandboxed frame of an allowed page is refused", async () => {
  const allowed = `http://localhost:${port}`;
  const handler = await deploy({ ALLOWED_ORIGINS: allowed });
  await page.goto(allowed);
  await assertRefused(await sandboxed(), handler, "null");
});

test("with * every page may read, and a sandboxed frame may not", async () => {
  const handler = await deploy({ ALLOWED_ORIGINS: "*", DANGEROUSLY_ALLOW_ANY_ORIGIN: "true" });
  for (const origin of [`http://localhost:${otherPort}`, "https://notcontoso.test", "http://app.contoso.test"]) {
    await page.goto(origin);
    await assertAllowed(page, handler, origin);
  }
  await page.goto(`http://localhost:${port}`);
  await assertRefused(await sandboxed(), handler, "null");
});
