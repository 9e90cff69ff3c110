// Every way in which a page can make a browser ask for a secret without being a script that may read it.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import { BLOCKED, addFrame, ask, launch, servePages } from "./support/browser.mjs";
import { Lab, PATH, VALUE } from "./support/lab.mjs";

const lab = await Lab.start();
const page = await launch();
const ORIGIN = `http://localhost:${await servePages()}`;
// The page's origin is allowed: what stops it is how it asks. Requests without `Origin` pass that gate here, so that the
// next one has to hold.
const handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN, REQUIRE_ORIGIN: "false" });
const SECRET_URL = handler.url + PATH;
beforeEach(async () => {
  await page.goto(ORIGIN);
  handler.take();
  await lab.forget();
});
after(async () => {
  await page.close();
  await lab.stop();
});

/** Fails unless exactly this reached the handler, and nothing the vault. */
async function assertStopped(method, mode, destination) {
  const [request, ...more] = handler.take();
  assert.deepEqual(more, []);
  assert.deepEqual(
    [request.method, request.headers["sec-fetch-mode"], request.headers["sec-fetch-dest"]],
    [method, mode, destination],
  );
  await lab.assertUntouched();
}

/** Fails unless the browser went to the secret's address, got this status and shows the refusal in the secret's place. */
async function assertWentToRefusal(status, code, method) {
  await page.waitFor(
    ([url]) => location.href.split("?")[0] === url && document.readyState === "complete",
    [SECRET_URL],
  );
  assert.deepEqual(
    handler.answers.map(({ status }) => status),
    [status],
  );
  await assertShowsRefusal(page, code);
  await assertStopped(method, "navigate", "document");
}

async function assertShowsRefusal(frame, code) {
  const shown = await frame.evaluate(() => document.documentElement.textContent);
  assert.match(shown, new RegExp(`"${code}"`));
  assert.ok(!shown.includes(VALUE));
}

for (const [tag, attributes, mode, destination] of [
  ["script", {}, "no-cors", "script"],
  ["script", { crossOrigin: "anonymous" }, "cors", "script"],
  ["script", { type: "module" }, "cors", "script"],
  ["img", {}, "no-cors", "image"],
  ["img", { crossOrigin: "anonymous" }, "cors", "image"],
  ["link", { rel: "stylesheet" }, "no-cors", "style"],
  ["video", {}, "no-cors", "video"],
]) {
  test(`<${tag}> gets nothing ${JSON.stringify(attributes)}`, async () => {
    const outcome = await page.evaluate(
      ([tag, attributes, url]) =>
        new Promise((resolve) => {
          const element = Object.assign(document.createElement(tag), attributes);
          element.onload = element.onloadeddata = element.onerror = ({ type }) => resolve(type);
          element[tag === "link" ? "href" : "src"] = url;
          document.body.append(element);
        }),
      [tag, attributes, SECRET_URL],
    );
    assert.equal(outcome, "error");
    await assertStopped("GET", mode, destination);
  });
}

test("a fetch without CORS gets nothing, not even an opaque answer", async () => {
  // That it fails, where it would have got an opaque answer, is `Cross-Origin-Resource-Policy`.
  assert.deepEqual(await ask(page, SECRET_URL, { mode: "no-cors" }), BLOCKED);
  await assertStopped("GET", "no-cors", "empty");
});

test("a worker cannot be made of it", async () => {
  const outcome = await page.evaluate(async (url) => {
    const source = `try { importScripts(${JSON.stringify(url)}); postMessage('ran') } catch (e) { postMessage(e.name) }`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    return new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  }, SECRET_URL);
  assert.equal(outcome, "NetworkError");
  await assertStopped("GET", "no-cors", "script");
});

test("going to its address shows a refusal", async () => {
  await page.evaluate((url) => void setTimeout(() => location.assign(url)), SECRET_URL);
  await assertWentToRefusal(403, "FetchMetadata", "GET");
});

test("a frame with its address shows a refusal, and the page around it cannot look inside", async () => {
  const frame = await addFrame(page, { src: SECRET_URL });
  assert.equal(await page.evaluate(() => document.querySelector("iframe").contentDocument), null);
  await assertShowsRefusal(frame, "FetchMetadata");
  await assertStopped("GET", "navigate", "iframe");
});

for (const [method, code, status] of [
  ["GET", "FetchMetadata", 403],
  ["POST", "MethodNotAllowed", 405],
]) {
  test(`a form that is sent there by ${method} shows a refusal`, async () => {
    await page.evaluate(
      ([action, method]) => {
        const form = Object.assign(document.createElement("form"), { action, method });
        document.body.append(form);
        setTimeout(() => form.submit());
      },
      [SECRET_URL, method],
    );
    await assertWentToRefusal(status, code, method);
  });
}
