// Microsoft's own `SecretClient` in a page, unmodified, over TLS and through the Functions host, with Entra on: the
// current minor version and the one before.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
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
const browser = await launch(lab);
const ORIGIN = `https://localhost:${await lab.tls(await servePages())}`;
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
const page = await browser.newPage();
await page.goto(ORIGIN);
await page.addScriptTag({ content: bundle.outputFiles[0].text });
beforeEach(async () => {
  await lab.do("clear-faults");
  handler.take();
});
after(async () => {
  await browser.close();
  await lab.stop();
});

const VERSIONS = ["current", "previous"];

/** Calls `getSecret` of one version's client in the page. */
function call(which, args, more = {}) {
  const usual = { vaultUrl, functionKey: lab.functionKey, token, maxRetries: 3 };
  return page.evaluate((options) => globalThis.callGetSecret(options), { ...usual, which, args, ...more });
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
  // Without a time from the vault the handler does not try again itself, and names one of its own: 10 s, which both
  // clients wait for at the same time.
  const clients = [];
  for (const which of VERSIONS) {
    const throttled = await lab.handler(settings);
    clients.push({ which, throttled, vaultUrl: await vaultUrlOf(throttled) });
  }
  await lab.do("fault", { target: "vault", fault: { throttled: null }, times: clients.length });
  for (const { which, vaultUrl } of clients) {
    const { error } = await call(which, [SECRET], { vaultUrl, maxRetries: 0 });
    assert.deepEqual(facts(error), { name: "RestError", code: "Throttled", statusCode: 429 });
    assert.equal(error.retryAfter, "10");
  }
  await lab.do("fault", { target: "vault", fault: { throttled: null }, times: clients.length });
  await Promise.all(
    clients.map(async ({ which, throttled, vaultUrl }) => {
      throttled.take();
      const { secret } = await call(which, [SECRET], { vaultUrl });
      assert.equal(secret.value, VALUE, which);
      // The answer to the second of these was the second 429.
      assert.deepEqual(requests(throttled), ["GET without token", "GET with token", "GET with token"], which);
    }),
  );
});

test("the two clients are two versions", async () => {
  const agents = [];
  for (const which of VERSIONS) {
    await call(which, [SECRET]);
    agents.push(handler.take().at(-1).headers["x-ms-useragent"]);
  }
  assert.match(agents[0], /keyvault-secrets\/4\.12\./);
  assert.match(agents[1], /keyvault-secrets\/4\.11\./);
});
