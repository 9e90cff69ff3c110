// A page of the public web that calls a handler on the developer's own machine, as `func start` serves it.
//
// No header of the handler's decides it: Chromium (since version 142) and Firefox ask the person before they let a public
// page call the local machine (Local Network Access, which took the place of Private Network Access, whose preflights
// asked the server); WebKit blocks it as mixed content. All other tests are spared the question because their pages come from the machine itself.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { BLOCKED, ask, launch, serveNames, servePages } from "./support/browser.mjs";
import { differing } from "./support/differences.mjs";
import { ENGINE } from "./support/engines.mjs";
import { Lab, PATH } from "./support/lab.mjs";

const lab = await Lab.start();
const NAME = "app.contoso.test";
const port = await lab.tls(await servePages());
const ORIGIN = `https://${NAME}:${port}`;
// Each is told that this name is this machine, and, where it can tell them apart, that the port is the public web's.
const OPTIONS = {
  chromium: {
    args: [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`, `--ip-address-space-overrides=127.0.0.1:${port}=public`],
  },
  firefox: {
    prefs: {
      "network.dns.localDomains": NAME,
      "network.lna.address_space.public.override": `127.0.0.1:${port}`,
      // Nobody answers its question here, so that it takes silence for a no at once.
      "network.lna.prompt.timeout": 1,
    },
  },
  webkit: { proxy: await serveNames({ [NAME]: { https: port } }) },
};
const page = await launch(OPTIONS[ENGINE]);
const handler = await lab.handler({ ALLOWED_ORIGINS: `${ORIGIN},http://localhost:*` });
after(async () => {
  await page.close();
  await lab.stop();
});

/** What a page gets, as a word, and which requests the handler saw for it. */
async function outcome(url) {
  const answer = await ask(page, url + PATH);
  const methods = handler.methods();
  return answer.status ? `${answer.status}, after ${methods}` : `blocked, after ${methods.join() || "nothing"}`;
}

test("a page of the public web that calls this machine is stopped before anything is sent", async () => {
  await page.goto(ORIGIN);
  assert.equal(await outcome(handler.url), "blocked, after nothing");
});

test("a page on http://localhost that calls this machine is asked nothing", async () => {
  await page.goto(`http://localhost:${await servePages()}`);
  assert.equal(await outcome(handler.url), "200, after GET");
});

test("where the engine asks a person, a permission lets the page through, and no preflight asks the server", async () => {
  await page.goto(ORIGIN);
  if (differing("public page") === "blocked") {
    // There is nothing to grant: what blocks is the rule for mixed content.
    const known = await page.evaluate(() =>
      navigator.permissions?.query({ name: "loopback-network" }).then(
        () => true,
        () => false,
      ),
    );
    assert.ok(!known);
    return;
  }
  assert.deepEqual(await ask(page, handler.url + PATH), BLOCKED);
  handler.take();
  await page.command("POST", "/permissions", { descriptor: { name: "loopback-network" }, state: "granted" });
  assert.equal((await ask(page, handler.url + PATH)).status, 200);
  const seen = handler.take().map(({ method, headers }) => [method, headers["access-control-request-private-network"]]);
  assert.deepEqual(seen, [["GET", undefined]]);
});
