// What `fetch` does on a page that may read the secret, and which requests reach the handler for it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, beforeEach, test } from "node:test";

import { BLOCKED, ask, launch, servePages } from "./support/browser.mjs";
import { differing } from "./support/differences.mjs";
import { Lab, PATH, ROOT, VALUE } from "./support/lab.mjs";

const lab = await Lab.start();
const page = await launch();
const ORIGIN = `http://localhost:${await servePages()}`;
// A handler for each test, so that no preflight is remembered from the one before.
let usual;
beforeEach(async () => {
  usual = await lab.handler({ ALLOWED_ORIGINS: ORIGIN });
  await page.goto(ORIGIN);
});
after(async () => {
  await page.close();
  await lab.stop();
});

test("a simple GET needs no preflight", async () => {
  const answer = await ask(page, usual.url + PATH);
  assert.equal(answer.type, "cors");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
  assert.equal(JSON.parse(answer.text).value, VALUE);
  assert.deepEqual(usual.methods(), ["GET"]);
});

test("a token and custom headers take one preflight and then the request", async () => {
  const headers = {
    Authorization: "Bearer not-looked-at",
    "X-Functions-Key": "not-looked-at",
    "X-MS-Client-Request-Id": "from-a-page",
    Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  const answer = await ask(page, usual.url + PATH, { headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["x-ms-client-request-id"], "from-a-page");
  const [preflight, request, ...more] = usual.take();
  assert.deepEqual([preflight.method, request.method, more], ["OPTIONS", "GET", []]);
  assert.equal(
    preflight.headers["access-control-request-headers"],
    "authorization,traceparent,x-functions-key,x-ms-client-request-id",
  );
  assert.equal(preflight.headers.authorization, undefined);
  for (const [name, value] of Object.entries(headers)) assert.equal(request.headers[name.toLowerCase()], value);
});

test("the README's lines read the secret", async () => {
  const [, lines] = readFileSync(`${ROOT}/README.md`, "utf8").match(/```js\n(.*?)```/s);
  const here = lines.replace("https://my-app.azurewebsites.net/api/secrets/maps-key", usual.url + PATH);
  assert.notEqual(here, lines);
  const read = `(async (key) => {\n${here}return value;\n})("not-looked-at")`;
  assert.equal(await page.evaluate((read) => (0, eval)(read), read), VALUE);
  assert.deepEqual(usual.methods(), ["OPTIONS", "GET"]);
});

test("HEAD works like GET, without a body", async () => {
  const simple = await ask(page, usual.url + PATH, { method: "HEAD" });
  assert.deepEqual([simple.status, simple.text], [200, ""]);
  assert.deepEqual(usual.methods(), ["HEAD"]);
  const init = { method: "HEAD", headers: { Authorization: "Bearer not-looked-at" } };
  assert.equal((await ask(page, usual.url + PATH, init)).status, 200);
  assert.deepEqual(usual.methods(), ["OPTIONS", "HEAD"]);
});

const LACKING = [
  ["x-other", { headers: { "X-Other": "1" } }],
  ["PUT", { method: "PUT" }],
  ["DELETE", { method: "DELETE" }],
  ["PATCH", { method: "PATCH" }],
];

function assertExplained(said, subject, ...known) {
  const expected = differing(subject, ...known);
  if (expected === null) assert.equal(said, null);
  else assert.ok(said.includes(expected), said);
}

for (const [lacking, init] of LACKING) {
  test(`what a preflight does not grant is never sent, and the console names it: ${lacking}`, async () => {
    await page.consoleText();
    assert.deepEqual(await ask(page, usual.url + PATH, init), BLOCKED);
    assert.deepEqual(usual.methods(), ["OPTIONS"]);
    assertExplained(await page.consoleText(), lacking === "x-other" ? "missing header" : "missing method", lacking);
  });
}

test("whatever is asked for, the preflight's answer is one and the same", async () => {
  const asked = [...LACKING.map(([, init]) => init), { headers: { Authorization: "Bearer x" } }];
  // Each at an address of its own, because of what the next test shows.
  for (const [at, init] of asked.entries()) await ask(page, `${usual.url}/api/secrets/geo-${at}`, init);
  const preflights = usual.answers.filter(({ method }) => method === "OPTIONS");
  assert.equal(preflights.length, asked.length);
  for (const { status, headers } of preflights) {
    const cors = Object.entries(headers).filter(([name]) => name.startsWith("access-control-"));
    assert.deepEqual([status, Object.fromEntries(cors)], [204, {
      "access-control-allow-headers":
        "authorization,traceparent,tracestate,x-functions-key,x-ms-client-request-id,x-ms-useragent",
      "access-control-allow-methods": "GET,HEAD",
      "access-control-allow-origin": ORIGIN,
      "access-control-max-age": "600",
    }]);
  }
});

test("a preflight that did not cover one request is remembered for the next, or asked again", async () => {
  assert.deepEqual(await ask(page, usual.url + PATH, { method: "PUT" }), BLOCKED);
  assert.deepEqual(usual.methods(), ["OPTIONS"]);
  assert.equal((await ask(page, usual.url + PATH, { headers: { Authorization: "Bearer x" } })).status, 200);
  const isRemembered = differing("preflight for another request") === "remembered";
  assert.deepEqual(usual.methods(), isRemembered ? ["GET"] : ["OPTIONS", "GET"]);
});

test("a refused preflight is explained in the console", async () => {
  const other = `http://localhost:${await servePages()}`;
  await page.goto(other);
  await page.consoleText();
  assert.deepEqual(await ask(page, usual.url + PATH, { headers: { Authorization: "Bearer x" } }), BLOCKED);
  assertExplained(await page.consoleText(), "refused origin");
});

/** Asks each handler twice with a token, `pause` ms apart, and returns the methods of what reached it. */
async function askTwice(handlers, pause) {
  const statuses = await page.evaluate(
    ([urls, pause]) => {
      const ask = async (url) => (await fetch(url, { headers: { Authorization: "Bearer x" } })).status;
      const twice = async (url) => {
        const first = await ask(url);
        await new Promise((resolve) => setTimeout(resolve, pause));
        return [first, await ask(url)];
      };
      return Promise.all(urls.map(twice));
    },
    [handlers.map(({ url }) => url + PATH), pause],
  );
  for (const pair of statuses) assert.deepEqual(pair, [200, 200]);
  return handlers.map((handler) => handler.methods());
}

/** At once, but where the engine remembers no preflight in the first moments after its start. */
async function untilPreflightsAreRemembered() {
  const other = await lab.handler({ ALLOWED_ORIGINS: ORIGIN });
  const deadline = Date.now() + (differing("first preflights") === "remembered" ? 0 : 10_000);
  while ((await askTwice([other], 0))[0].length > 3) assert.ok(Date.now() < deadline, "no preflight is remembered");
}

test("a preflight is remembered as long as the handler says, and for the browser's own 5 s with an empty age", async () => {
  // Fetch, CORS-preflight fetch: 5 s without `Access-Control-Max-Age`. The test is about time itself, and lets it pass.
  const silent = await lab.handler({ ALLOWED_ORIGINS: ORIGIN, PREFLIGHT_MAX_AGE_SECONDS: "" });
  await untilPreflightsAreRemembered();
  assert.deepEqual(await askTwice([usual, silent], 5_500), [
    ["OPTIONS", "GET", "GET"],
    ["OPTIONS", "GET", "OPTIONS", "GET"],
  ]);
});

test("with an age of 0 a preflight is remembered for no other request", async () => {
  const handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN, PREFLIGHT_MAX_AGE_SECONDS: "0" });
  assert.deepEqual(await askTwice([handler], 0), [["OPTIONS", "GET", "OPTIONS", "GET"]]);
});

test("nothing stays in the cache of the browser", async () => {
  for (const cache of ["default", "force-cache"]) {
    assert.equal((await ask(page, usual.url + PATH, { cache })).status, 200);
  }
  assert.deepEqual(usual.methods(), ["GET", "GET"]);
});

test("where something on the way lets answers be kept, one origin does not get the answer of another", async () => {
  // Moot while `no-store` arrives; a proxy that changes it is the case that `Vary: Origin` is for. Both pages are of one
  // site (ports do not matter to that), so that they share the browser's cache.
  const other = `http://localhost:${await servePages()}`;
  const handler = await lab.handler({ ALLOWED_ORIGINS: `${ORIGIN},${other}` }, { replace: { "cache-control": "max-age=60" } });
  const cache = "force-cache";
  assert.equal((await ask(page, handler.url + PATH, { cache })).status, 200);
  assert.equal((await ask(page, handler.url + PATH, { cache })).status, 200);
  const methods = differing("kept answer") === "kept" ? ["GET"] : ["GET", "GET"];
  assert.deepEqual(handler.methods(), methods, "the answer was not kept: this test shows nothing");
  await page.goto(other);
  const answer = await ask(page, handler.url + PATH, { cache });
  assert.equal(answer.status, 200);
  assert.deepEqual(handler.methods(), ["GET"]);
});

test("a browser without fetch metadata does not run a secret as a script either", async () => {
  // Such a browser is let through to the secret by an allowed page's `<script crossorigin>`: it is `nosniff` with the
  // type of JSON that stops the script, and shows as an error where there would have been a load.
  const handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN }, { withoutFetchMetadata: true });
  const outcome = await page.evaluate(
    (src) =>
      new Promise((resolve) => {
        const script = Object.assign(document.createElement("script"), { src, crossOrigin: "anonymous" });
        script.onload = script.onerror = ({ type }) => resolve(type);
        document.head.append(script);
      }),
    handler.url + PATH,
  );
  assert.deepEqual([outcome, handler.methods()], ["error", ["GET"]]);
});
