// A static web app whose /api is the handler, as Microsoft's emulator (`swa start`) serves one: one origin for both.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ask, launch } from "../../browser/support/browser.mjs";
import { Lab, PATH, VALUE } from "../../browser/support/lab.mjs";

const PROGRAM = fileURLToPath(new URL("node_modules/.bin/swa", import.meta.url));
const SITE = fileURLToPath(new URL("site", import.meta.url));

const lab = await Lab.start();
const page = await launch();
const apps = [];
/** The whole group: the program leaves its work to a child, and does not end it. */
const end = ({ pid }) => {
  try {
    process.kill(-pid);
  } catch ({ code }) {
    assert.equal(code, "ESRCH", "a group that has ended");
  }
};
process.once("exit", () => apps.forEach(({ child }) => end(child)));
after(async () => {
  await page.close();
  for (const { child, ended } of apps) {
    end(child);
    await ended;
  }
  await lab.stop();
});

/** Starts the emulator in front of a handler's door, and returns the app's address. */
async function start(door) {
  const { port } = await lab.do("reserve-port");
  const api = ["--api-devserver-url", `http://localhost:${door.port}`];
  // What the program keeps in its folder belongs to a developer, and its question for updates goes to a registry.
  const child = spawn(process.execPath, [PROGRAM, "start", SITE, ...api, "--host", "localhost", "--port", String(port)], {
    cwd: SITE,
    env: { ...process.env, NO_UPDATE_NOTIFIER: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  apps.push({ child, ended: once(child, "exit") });
  let said = "";
  for await (const line of createInterface({ input: child.stdout })) {
    said += `${line}\n`;
    const address = /emulator started at (http:\/\/localhost:\d+)/.exec(line)?.[1];
    if (!address) continue;
    child.stdout.resume();
    // It has asked whether the API is there.
    door.take();
    return address;
  }
  throw new Error(`swa start has ended: ${said}`);
}

const settings = { ALLOWED_ORIGINS: "https://app.contoso.com" };

test("with REQUIRE_ORIGIN=false the page reads the secret, without Origin, a preflight or CORS headers", async () => {
  const handler = await lab.handler({ ...settings, REQUIRE_ORIGIN: "false" });
  const app = await start(handler);
  await page.goto(app);
  const answer = await ask(page, PATH, { headers: { "x-ms-client-request-id": "a-page" } });
  assert.equal(answer.status, 200, JSON.stringify(answer));
  assert.equal(JSON.parse(answer.text).value, VALUE);
  assert.deepEqual(
    Object.keys(answer.headers).filter((name) => name.startsWith("access-control-")),
    [],
  );
  const [{ method, url, headers }, ...more] = handler.take();
  assert.deepEqual([method, url, headers.origin, more], ["GET", PATH, undefined, []]);
  assert.equal(headers["x-ms-original-url"], app + PATH);
});

test("without it the page is refused, and can read why", async () => {
  const handler = await lab.handler(settings);
  await page.goto(await start(handler));
  const answer = await ask(page, PATH);
  assert.equal(answer.status, 403);
  assert.equal(JSON.parse(answer.text).error.innererror.code, "OriginNotAllowed");
});

test("who signs in to the static web app is named to the handler, which serves all the same", async () => {
  const handler = await lab.handler({ ...settings, REQUIRE_ORIGIN: "false" });
  const app = await start(handler);
  await page.goto(app);
  // The emulator's sign-in is a form that sets this cookie.
  const person = { identityProvider: "aad", userId: "1", userDetails: "ada", userRoles: ["anonymous", "authenticated"], claims: [] };
  await page.evaluate((person) => {
    document.cookie = `StaticWebAppsAuthCookie=${btoa(JSON.stringify(person))}; path=/`;
  }, person);
  assert.equal((await ask(page, PATH)).status, 200);
  const [{ headers }] = handler.take();
  const principal = JSON.parse(Buffer.from(headers["x-ms-client-principal"], "base64"));
  assert.equal(principal.userDetails, "ada");
});
