// Microsoft's own `SecretClient` in a page, unmodified, over TLS and through the Functions host, with Entra on: the
// current minor version and the one before.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { launch, servePages } from "./support/browser.mjs";
import { Lab, SECRET, VALUE } from "./support/lab.mjs";

const AUDIENCE = "api://keyvault-cors-tests";
const SCOPE = "secrets.read";

const bundle = await build({
  entryPoints: [fileURLToPath(new URL("support/sdk-page.mjs", import.meta.url))],
  bundle: true,
  format: "iife",
  write: false,
  logLevel: "warning",
});

const lab = await Lab.start();
const page = await launch();
const scripts = { "/clients.js": bundle.outputFiles[0].text };
const ORIGIN = `https://localhost:${await lab.tls(await servePages(scripts))}`;
const settings = {
  ALLOWED_ORIGINS: ORIGIN,
  ENTRA_TENANT_ID: lab.tenant,
  ENTRA_AUDIENCE: AUDIENCE,
  ENTRA_REQUIRED_SCOPES: SCOPE,
  ENTRA_AUTHORITY_HOST: lab.authority,
};
/** Where a client finds what a handler serves. */
const vaultUrlOf = async (door) => `https://localhost:${await lab.tls(await lab.functionsHost(door))}/api`;
const handler = await lab.handler(settings);
const vaultUrl = await vaultUrlOf(handler);
const { token } = await lab.do("token", { audience: AUDIENCE, scope: SCOPE });

// One page for all: the preflights of each test would be remembered from the one before, so their number is not looked at.
await page.goto(ORIGIN);
await page.evaluate(
  (src) =>
    new Promise((onload, onerror) => document.head.append(Object.assign(document.createElement("script"), { src, onload, onerror }))),
  "/clients.js",
);
beforeEach(async () => {
  await lab.do("clear-faults");
  handler.take();
});
after(async () => {
  await page.close();
  await lab.stop();
});

const VERSIONS = ["current", "previous"];

const optionsOf = (which, args, more) => ({
  vaultUrl,
  functionKey: lab.functionKey,
  token,
  maxRetries: 3,
  which,
  args,
  ...more,
});

/** Calls `getSecret` of one version's client in the page. */
function call(which, args, more = {}) {
  return page.evaluate((options) => globalThis.callGetSecret(options), optionsOf(which, args, more));
}

/** What reached a handler, but for preflights: with a token or without. */
function requests(door) {
  const actual = door.take().filter(({ method }) => method !== "OPTIONS");
  return actual.map(({ method, headers }) => `${method} ${headers.authorization ? "with" : "without"} token`);
}

/** What a program tells one error from another by. */
const facts = ({ name, code, statusCode }) => ({ name, code, statusCode });

for (const which of VERSIONS) {
  test(`${which}: getSecret answers the challenge with a token and gives the secret`, async () => {
    const { version } = await lab.do("put", { name: SECRET, value: VALUE });
    const { asked, secret } = await call(which, [SECRET]);
    assert.deepEqual(secret, { name: SECRET, value: VALUE, version, enabled: true });
    assert.deepEqual(requests(handler), ["GET without token", "GET with token"]);
    // The scope and the tenant are those of the challenge, which the page could read.
    assert.deepEqual(asked.at(-1), { scopes: [`${AUDIENCE}/.default`], tenantId: lab.tenant });
  });

  test(`${which}: getSecret gives an older version`, async () => {
    const { version } = await lab.do("put", { name: "geo-versions", value: "pk.first" });
    await lab.do("put", { name: "geo-versions", value: "pk.second" });
    const older = await call(which, ["geo-versions", { version }]);
    assert.deepEqual(older.secret, { name: "geo-versions", value: "pk.first", version, enabled: true });
    assert.equal((await call(which, ["geo-versions"])).secret.value, "pk.second");
  });

  test(`${which}: a missing secret is its RestError 404`, async () => {
    const { error } = await call(which, ["geo-absent"]);
    assert.deepEqual(facts(error), { name: "RestError", code: "SecretNotFound", statusCode: 404 });
  });

  test(`${which}: a caller without the scope is its RestError 403`, async () => {
    const other = await lab.do("token", { audience: AUDIENCE, scope: "other.read" });
    const { error } = await call(which, [SECRET], { token: other.token });
    assert.deepEqual(facts(error), { name: "RestError", code: "Forbidden", statusCode: 403 });
    assert.equal(error.inner, "CallerNotAllowed");
  });
}

test("throttled, both wait as long as Retry-After says, and then have the secret", async () => {
  // Longer than the handler lets anybody wait, so that it is the client that waits: both at the same time.
  await lab.do("fault", { target: "vault", fault: { throttled: "7" } });
  const clients = [];
  for (const which of VERSIONS) {
    const door = await lab.handler(settings);
    const vaultUrl = await vaultUrlOf(door);
    const { error } = await call(which, [SECRET], { vaultUrl, maxRetries: 0 });
    assert.deepEqual(facts(error), { name: "RestError", code: "Throttled", statusCode: 429 });
    assert.match(error.retryAfter, /^[5-7]$/);
    door.take();
    clients.push({ door, options: optionsOf(which, [SECRET], { vaultUrl }) });
  }
  const calling = page.evaluate(
    (all) => Promise.all(all.map((options) => globalThis.callGetSecret(options))),
    clients.map(({ options }) => options),
  );
  const isThrottled = ({ door }) => door.answers.some(({ status }) => status === 429);
  for (const deadline = Date.now() + 10_000; !clients.every(isThrottled); await setTimeout(20)) {
    assert.ok(Date.now() < deadline, "a client was not throttled");
  }
  await lab.do("clear-faults");
  for (const { secret } of await calling) assert.equal(secret.value, VALUE);
  for (const { door } of clients) {
    // The answer to the second of these was the second 429.
    assert.deepEqual(requests(door), ["GET without token", "GET with token", "GET with token"]);
  }
});

test("the two clients are two versions", async () => {
  const agents = [];
  for (const which of VERSIONS) {
    await call(which, [SECRET]);
    agents.push(handler.take().at(-1).headers["x-ms-useragent"]);
  }
  assert.match(agents[0], /keyvault-secrets\/4\.11\./);
  assert.match(agents[1], /keyvault-secrets\/4\.10\./);
});
