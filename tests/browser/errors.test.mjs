// What a script on an allowed page can tell from an answer that is no secret: the code, the headers, the request's id.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import { ask, launch, servePages } from "./support/browser.mjs";
import { Lab, PATH } from "./support/lab.mjs";

const AUDIENCE = "api://keyvault-cors-tests";
const SCOPE = "secrets.read";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const lab = await Lab.start();
const page = await launch();
const ORIGIN = `http://localhost:${await servePages()}`;
const settings = { ALLOWED_ORIGINS: ORIGIN };
const entra = {
  ...settings,
  ENTRA_TENANT_ID: lab.tenant,
  ENTRA_AUDIENCE: AUDIENCE,
  ENTRA_REQUIRED_SCOPES: SCOPE,
  ENTRA_AUTHORITY_HOST: lab.authority,
};
const handler = await lab.handler(settings);
await page.goto(ORIGIN);
beforeEach(() => lab.do("clear-faults"));
after(async () => {
  await page.close();
  await lab.stop();
});

/** Fails unless a script can read this error, whole; returns the headers that it sees. */
async function assertReadable(url, init, status, code, inner) {
  const answer = await ask(page, url, init);
  assert.equal(answer.status, status, JSON.stringify(answer));
  const { error } = JSON.parse(answer.text);
  assert.deepEqual([error.code, error.innererror?.code], [code, inner]);
  assert.notEqual(error.message, "");
  assert.match(answer.headers["x-ms-request-id"], UUID);
  assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
  return answer.headers;
}

async function tokenFor(scope) {
  const { token } = await lab.do("token", { audience: AUDIENCE, scope });
  return { headers: { Authorization: `Bearer ${token}` } };
}

for (const [url, init, status, code] of [
  ["/api/secrets/a_b", {}, 400, "BadParameter"],
  [`${PATH}/not.a.version`, {}, 400, "BadParameter"],
  ["/api/secrets/not-allowed", {}, 404, "SecretNotFound"],
  ["/api/secrets/geo-absent", {}, 404, "SecretNotFound"],
  ["/api/keys/maps-key", {}, 404, "NotFound"],
  // A request with the type of a form needs no preflight, whatever its method's name says.
  [PATH, { method: "POST", body: "a=b" }, 405, "MethodNotAllowed"],
]) {
  test(`${status} ${code} for ${init.method ?? "GET"} ${url}`, async () => {
    await assertReadable(handler.url + url, init, status, code);
  });
}

test("403 for a secret that is disabled, expired or not yet valid", async () => {
  const now = Math.floor(Date.now() / 1000);
  for (const [name, details, inner] of [
    ["geo-disabled", { disabled: true }, "SecretDisabled"],
    ["geo-expired", { expires: now - 60 }, "SecretExpired"],
    ["geo-early", { notBefore: now + 3600 }, "SecretNotYetValid"],
  ]) {
    await lab.do("put", { name, value: "not to be seen", ...details });
    await assertReadable(`${handler.url}/api/secrets/${name}`, {}, 403, "Forbidden", inner);
  }
});

test("401 with the challenge, which a script can read", async () => {
  const guarded = await lab.handler(entra);
  const challenge = `Bearer authorization="${lab.authority}/${lab.tenant}", resource="${AUDIENCE}"`;
  for (const init of [{}, { headers: { Authorization: "Bearer not.a.token" } }]) {
    const headers = await assertReadable(guarded.url + PATH, init, 401, "Unauthorized");
    assert.equal(headers["www-authenticate"], challenge);
  }
  assert.equal((await ask(page, guarded.url + PATH, await tokenFor(SCOPE))).status, 200);
});

test("403 for a caller without the scope", async () => {
  const guarded = await lab.handler(entra);
  const init = await tokenFor("other.read");
  await assertReadable(guarded.url + PATH, init, 403, "Forbidden", "CallerNotAllowed");
});

test("429 with the time to wait", async () => {
  const throttled = await lab.handler(settings);
  await lab.do("fault", { target: "vault", fault: { throttled: "7" } });
  const headers = await assertReadable(throttled.url + PATH, {}, 429, "Throttled");
  assert.match(headers["retry-after"], /^[1-9][0-9]*$/);
});

test("502 when the vault refuses this app", async () => {
  const refused = await lab.handler(settings);
  await lab.do("fault", { target: "vault", fault: { forbidden: "ForbiddenByRbac" } });
  await assertReadable(refused.url + PATH, {}, 502, "VaultAccessDenied");
});

for (const fault of ["unavailable", "reset"]) {
  test(`503 with the time to wait when the vault fails: ${fault}`, async () => {
    const failing = await lab.handler(settings);
    await lab.do("fault", { target: "vault", fault });
    const headers = await assertReadable(failing.url + PATH, {}, 503, "VaultUnavailable");
    assert.match(headers["retry-after"], /^[1-9][0-9]*$/);
  });
}

test("503 with the time to wait when the authority cannot be had", async () => {
  await lab.do("fault", { target: "authority", fault: "reset" });
  const guarded = await lab.handler(entra);
  const headers = await assertReadable(guarded.url + PATH, await tokenFor(SCOPE), 503, "AuthorityUnavailable");
  assert.match(headers["retry-after"], /^[1-9][0-9]*$/);
});

test("what is not exposed stays hidden", async () => {
  const silent = await lab.handler({ ...settings, EXPOSED_HEADERS: "" });
  const { status, headers } = await ask(page, silent.url + PATH);
  assert.equal(status, 200);
  // Content-Type and Cache-Control are CORS-safelisted; of what is not, nothing is left.
  assert.deepEqual(Object.keys(headers).sort(), ["cache-control", "content-length", "content-type"]);
});
