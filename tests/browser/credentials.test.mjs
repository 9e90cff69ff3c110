// Requests with the browser's own credentials (cookies), which a page asks for with `credentials: "include"`.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import { BLOCKED, ask, launch, servePages } from "./support/browser.mjs";
import { Lab, PATH, VALUE } from "./support/lab.mjs";

const lab = await Lab.start();
const page = await launch();
// The same host as the handler's: a cookie of another site would not be sent whatever CORS says.
const ORIGIN = `http://127.0.0.1:${await servePages()}`;
after(async () => {
  await page.close();
  await lab.stop();
});

const WITH = { credentials: "include" };
const WITH_AND_TOKEN = { ...WITH, headers: { Authorization: "Bearer not-looked-at" } };

beforeEach(async () => {
  await page.goto(ORIGIN);
  await page.evaluate(() => {
    document.cookie = "session=abc";
  });
});

test("with ALLOW_CREDENTIALS they go along, and the page reads the answer", async () => {
  const handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN, ALLOW_CREDENTIALS: "true" });
  for (const init of [WITH, WITH_AND_TOKEN]) {
    const answer = await ask(page, handler.url + PATH, init);
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.text).value, VALUE);
  }
  const seen = handler.take().map(({ method, headers }) => [method, headers.cookie]);
  assert.deepEqual(seen, [
    ["GET", "session=abc"],
    ["OPTIONS", undefined],
    ["GET", "session=abc"],
  ]);
});

test("with ALLOW_CREDENTIALS they stay away from a request that does not want them", async () => {
  const handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN, ALLOW_CREDENTIALS: "true" });
  assert.equal((await ask(page, handler.url + PATH)).status, 200);
  assert.deepEqual(
    handler.take().map(({ headers }) => headers.cookie),
    [undefined],
  );
});

for (const [title, settings] of [
  ["without ALLOW_CREDENTIALS", { ALLOWED_ORIGINS: ORIGIN }],
  ["with *", { ALLOWED_ORIGINS: "*", DANGEROUSLY_ALLOW_ANY_ORIGIN: "true" }],
]) {
  test(`${title} the browser keeps such an answer from the page`, async () => {
    const handler = await lab.handler(settings);
      assert.deepEqual(await ask(page, handler.url + PATH, WITH), BLOCKED);
    assert.deepEqual(handler.methods(), ["GET"]);
    assert.deepEqual(await ask(page, handler.url + PATH, WITH_AND_TOKEN), BLOCKED);
    assert.deepEqual(handler.methods(), ["OPTIONS"]);
    assert.equal((await ask(page, handler.url + PATH)).status, 200);
  });
}
