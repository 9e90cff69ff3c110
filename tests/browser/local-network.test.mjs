// A page of the public web that calls a handler on the developer's own machine, as `func start` serves it.
//
// Chromium asks the person before it lets a public page call the local machine (Local Network Access, since version
// 142; it took the place of Private Network Access, whose preflights asked the server). No header of the handler's
// decides it. All other tests are spared the question because their pages come from the machine itself.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { BLOCKED, ask, launch, open, servePages } from "./support/browser.mjs";
import { Lab, PATH } from "./support/lab.mjs";

const lab = await Lab.start();
const tlsPort = await lab.tls(await servePages());
const browser = await launch(
  lab,
  `--host-resolver-rules=MAP app.contoso.test 127.0.0.1:${tlsPort}`,
  `--ip-address-space-overrides=127.0.0.1:${tlsPort}=public`,
);
const ORIGIN = "https://app.contoso.test";
const handler = await lab.handler({ ALLOWED_ORIGINS: ORIGIN });
after(async () => {
  await browser.close();
  await lab.stop();
});

test("it is stopped before anything is sent, unless the person allows it", async () => {
  const page = await open(browser, ORIGIN);
  assert.deepEqual(await ask(page, handler.url + PATH), BLOCKED);
  assert.deepEqual(handler.methods(), []);
  await page.context().grantPermissions(["local-network-access"], { origin: ORIGIN });
  assert.equal((await ask(page, handler.url + PATH)).status, 200);
  const seen = handler.take().map(({ method, headers }) => [method, headers["access-control-request-private-network"]]);
  assert.deepEqual(seen, [["GET", undefined]]);
});
