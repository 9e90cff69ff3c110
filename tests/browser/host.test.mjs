// The whole way through the Functions host: its key, and the preflights that the platform answers in the app's place.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";

import { BLOCKED, ask, launch, servePages } from "./support/browser.mjs";
import { Lab, PATH, ROOT, SECRET, VALUE } from "./support/lab.mjs";

const MODES = ["forwarding", "proxying"];

const lab = await Lab.start();
const page = await launch();
const FILES = { "/secret.js": "secret.js", "/words.js": "words.js", "/sdk.js": "dist/sdk.js" };
const scripts = Object.entries(FILES).map(([path, file]) => [path, readFileSync(`${ROOT}/examples/spa/${file}`, "utf8")]);
const LISTED = `http://localhost:${await servePages(Object.fromEntries(scripts))}`;
const OTHER = `http://localhost:${await servePages()}`;
const withKey = { headers: { "X-Functions-Key": lab.functionKey } };
after(async () => {
  await page.close();
  await lab.stop();
});

/** A handler that allows one page, and the address of the host in front of it. */
async function start(mode, platformCors, settings = {}) {
  const handler = await lab.handler({ ALLOWED_ORIGINS: LISTED, ...settings });
  const port = await lab.functionsHost(handler, { mode, platformCors });
  await lab.forget();
  return { handler, url: `http://127.0.0.1:${port}${PATH}` };
}

function assertSecret(answer) {
  assert.equal(answer.status, 200, JSON.stringify(answer));
  assert.equal(JSON.parse(answer.text).value, VALUE);
}

for (const mode of MODES) {
  test(`${mode}: with its key a page reads the secret, in the header or in the address`, async () => {
    const { handler, url } = await start(mode);
    await page.goto(LISTED);
    assertSecret(await ask(page, url, withKey));
    assert.deepEqual(handler.methods(), ["OPTIONS", "GET"]);
    assertSecret(await ask(page, `${url}?code=${lab.functionKey}`));
    assert.deepEqual(handler.methods(), ["GET"]);
  });

  test(`${mode}: without its key the host's own refusal is not readable`, async () => {
    const { handler, url } = await start(mode);
    await page.goto(LISTED);
    assert.deepEqual(await ask(page, url), BLOCKED);
    assert.deepEqual(handler.methods(), []);
  });

  test(`${mode}: another page is stopped at the preflight, or refused with a simple request`, async () => {
    const { handler, url } = await start(mode);
    await page.goto(OTHER);
    assert.deepEqual(await ask(page, url, withKey), BLOCKED);
    assert.deepEqual(await ask(page, `${url}?code=${lab.functionKey}`), BLOCKED);
    assert.deepEqual(handler.methods(), ["OPTIONS", "GET"]);
    await lab.assertUntouched();
  });

  test(`${mode}: where the platform answers preflights, an origin in both lists reads the secret`, async () => {
    const { handler, url } = await start(mode, { origins: [LISTED] });
    await page.goto(LISTED);
    assertSecret(await ask(page, url, withKey));
    assert.deepEqual(handler.methods(), ["GET"], "the preflight never gets as far as the handler");
  });

  test(`${mode}: an origin that only the handler lists fails at the platform's preflight`, async () => {
    const { handler, url } = await start(mode, { origins: [OTHER] });
    await page.goto(LISTED);
    assert.deepEqual(await ask(page, url, withKey), BLOCKED);
    assert.deepEqual(handler.methods(), []);
    // A request that needs no preflight works: what fails, and when, depends on the page's headers.
    assertSecret(await ask(page, `${url}?code=${lab.functionKey}`));
  });

  test(`${mode}: an origin that only the platform lists passes its preflight and gets no secret`, async () => {
    const { handler, url } = await start(mode, { origins: [LISTED, OTHER] });
    await page.goto(OTHER);
    const answer = await ask(page, url, withKey);
    // The platform grants what the handler refuses, and so the page can read the refusal.
    assert.equal(answer.status, 403);
    assert.equal(JSON.parse(answer.text).error.innererror.code, "OriginNotAllowed");
    assert.deepEqual(handler.methods(), ["GET"]);
    await lab.assertUntouched();
  });
}

test("credentials need the platform and the handler to agree", async () => {
  await page.goto(LISTED);
  const credentialed = { ...withKey, credentials: "include" };
  for (const [platform, own, expected] of [
    [true, "true", 200],
    [false, "true", "blocked"],
  ]) {
    const platformCors = { origins: [LISTED], credentials: platform };
    const { url } = await start("proxying", platformCors, { ALLOW_CREDENTIALS: own });
    const answer = await ask(page, url, credentialed);
    assert.equal(answer.status ?? "blocked", expected, `platform ${platform}, handler ${own}`);
  }
});

/** Reads the secret with a file of examples/spa, and returns its value or what the page would say. */
function readWith(file, api, functionKey) {
  return page.evaluate(
    async ([file, api, name, functionKey]) => {
      const { explain } = await import("/words.js");
      const ways = {
        async "secret.js"() {
          const { readSecret } = await import("/secret.js");
          return readSecret(api, name, { headers: functionKey ? { "x-functions-key": functionKey } : {} });
        },
        async "sdk.js"() {
          const { secretClient } = await import("/sdk.js");
          const getToken = () => Promise.reject(new Error("there is no challenge"));
          return secretClient(api, { getToken }, { functionKey }).getSecret(name);
        },
      };
      return ways[file]().then(
        ({ value }) => value,
        (error) => explain(error).title,
      );
    },
    [file, api, SECRET, functionKey ?? null],
  );
}

for (const file of ["secret.js", "sdk.js"]) {
  test(`${file}: where the host's empty 401 is readable, the page says what is wrong with the function key`, async () => {
    const { handler, url } = await start("proxying", { origins: [LISTED] });
    const api = url.slice(0, -PATH.length).replace("127.0.0.1", "localhost") + "/api";
    await page.goto(LISTED);
    for (const key of [undefined, "another-key"]) {
      assert.equal(await readWith(file, api, key), "The function key is missing or wrong.");
    }
    assert.deepEqual(handler.methods(), []);
    assert.equal(await readWith(file, api, lab.functionKey), VALUE);
  });
}
