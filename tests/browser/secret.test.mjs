// examples/spa/secret.js, which people copy: one more try when it is told to wait, and an end whenever it is cancelled.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, afterEach, beforeEach, test } from "node:test";

import { launch, servePages } from "./support/browser.mjs";
import { Lab, ROOT, SECRET, VALUE } from "./support/lab.mjs";

const lab = await Lab.start();
const page = await launch();
const port = await servePages({ "/secret.js": readFileSync(`${ROOT}/examples/spa/secret.js`, "utf8") });
const ORIGIN = `http://localhost:${port}`;
/** A handler for each test, because the vault's pauses are remembered; it gives up early, so that the page gets to know. */
let handler;
beforeEach(async () => {
  handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN, UPSTREAM_TIMEOUT_SECONDS: "1", PREFETCH: "false" });
  await page.goto(ORIGIN);
});
afterEach(() => lab.do("clear-faults"));
after(async () => {
  await page.close();
  await lab.stop();
});

// A script's own global object is another in Firefox: what is to stay is put on the page's window.

/** Begins to read a secret in the page, which counts the answers that it gets. */
async function begin(api) {
  await page.evaluate(
    async ([api, name]) => {
      const { readSecret } = await import("/secret.js");
      const { fetch } = window;
      window.answers = 0;
      window.fetch = async (...request) => {
        const answer = await fetch(...request);
        window.answers += 1;
        return answer;
      };
      window.controller = new AbortController();
      window.outcome = readSecret(api, name, { signal: window.controller.signal }).then(
        ({ value }) => ({ value }),
        (error) => ({ code: error.code ?? String(error), status: error.response?.status ?? null }),
      );
    },
    [api, SECRET],
  );
}

const answered = () => page.waitFor(() => window.answers > 0);
const outcome = () => page.evaluate(() => window.outcome);
const cancel = () => page.evaluate(() => window.controller.abort("cancelled by a person"));
const CANCELLED = { code: "cancelled by a person", status: null };

const BUSY = [
  [429, { throttled: "2" }],
  [503, "unavailable"],
];
for (const [status, fault] of BUSY) {
  test(`a ${status} that names a short time is waited for, and the second answer is the secret`, async () => {
    await lab.do("fault", { target: "vault", fault });
    await begin(`${handler.url}/api`);
    await answered();
    await lab.do("clear-faults");
    assert.deepEqual(await outcome(), { value: VALUE });
    assert.deepEqual(
      handler.answers.map(({ status }) => status),
      [status, 200],
    );
  });
}

test("a second refusal is what the caller gets", async () => {
  await lab.do("fault", { target: "vault", fault: { throttled: "2" } });
  await begin(`${handler.url}/api`);
  assert.deepEqual(await outcome(), { code: "Throttled", status: 429 });
  assert.deepEqual(
    handler.answers.map(({ status }) => status),
    [429, 429],
  );
});

test("a longer time is left to the caller", async () => {
  await lab.do("fault", { target: "vault", fault: { throttled: "30" } });
  await begin(`${handler.url}/api`);
  assert.equal((await outcome()).code, "Throttled");
  assert.deepEqual(handler.methods(), ["GET"]);
});

test("cancelled while it waits, it ends with the signal's reason, and asks no more", async () => {
  await lab.do("fault", { target: "vault", fault: { throttled: "5" } });
  await begin(`${handler.url}/api`);
  await answered();
  await cancel();
  assert.deepEqual(await outcome(), CANCELLED);
  assert.deepEqual(handler.methods(), ["GET"]);
});

for (const [title, sent] of [
  ["before there is an answer", null],
  ["before the answer is whole", '{"value":'],
]) {
  test(`cancelled ${title}, it ends with the signal's reason`, async () => {
    const server = createServer((_, response) => {
      if (sent) response.writeHead(200, { "access-control-allow-origin": ORIGIN, "content-type": "application/json" }).write(sent);
      server.emit("asked");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const asked = once(server, "asked");
    await begin(`http://127.0.0.1:${server.address().port}/api`);
    await (sent ? answered() : asked);
    await cancel();
    const ended = await outcome();
    server.close();
    server.closeAllConnections();
    assert.deepEqual(ended, CANCELLED);
  });
}
