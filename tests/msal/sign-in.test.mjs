// A person signs in on the page of examples/spa with the real MSAL, and reads a secret through the handler.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import { launch } from "../browser/support/browser.mjs";
import { Lab, VALUE, SECRET } from "../browser/support/lab.mjs";
import { API_CLIENT, PAGE_CLIENT, Provider } from "./provider.mjs";
import { serveSite } from "./site.mjs";

const lab = await Lab.start();
const provider = await Provider.start(lab.tenant, (port) => lab.tls(port));
const config = {
  signIn: true,
  msal: {
    clientId: PAGE_CLIENT,
    authority: provider.authority,
    knownAuthorities: [new URL(provider.origin).host],
    scope: `api://${API_CLIENT}/secrets.read`,
  },
};
const ORIGIN = `http://localhost:${await serveSite(config)}`;
const settings = {
  ALLOWED_ORIGINS: ORIGIN,
  ENTRA_TENANT_ID: lab.tenant,
  ENTRA_AUDIENCE: `api://${API_CLIENT},${API_CLIENT}`,
  ENTRA_AUTHORITY_HOST: provider.origin,
};
const byScope = await lab.handler({ ...settings, ENTRA_REQUIRED_SCOPES: "secrets.read" });
const byRole = await lab.handler({ ...settings, ENTRA_REQUIRED_ROLES: "Secrets.Reader" });
// Each sign-in opens a window, and a browser blocks windows that no click asked for.
const page = await launch({ prefs: { "dom.disable_open_during_load": true } });

beforeEach(() => open(byScope));
after(async () => {
  await page.close();
  await lab.stop();
  await provider.stop();
});

/** Opens the page signed out, with this handler behind it. */
async function open(handler) {
  config.api = `http://localhost:${handler.port}/api`;
  provider.next = {};
  await page.goto(ORIGIN);
  await page.evaluate(() => {
    localStorage.clear();
    sessionStorage.clear();
  });
  await page.goto(ORIGIN);
  await page.waitFor(() => !document.querySelector("main").hidden);
}

/** Clicks “Sign in” and waits for what comes of it: who is signed in, or what went wrong. */
async function signIn() {
  await page.click("#sign-in");
  return page.waitFor(() => {
    const { dataset, textContent } = document.getElementById("result");
    const who = document.getElementById("who").textContent;
    return dataset.code ? { code: dataset.code, words: textContent } : who !== "Signed out." && { who };
  });
}

/** Reads the secret as a person does, and returns what the page says. */
async function read() {
  await page.fill("#name", SECRET);
  await page.click("#read");
  return page.waitFor(() => {
    const { dataset, textContent } = document.getElementById("result");
    const value = document.getElementById("value")?.textContent;
    return dataset.kind && { code: dataset.code, value, words: textContent };
  });
}

test("signed in, a person reads the secret by both ways, with one token", async () => {
  provider.grants.length = 0;
  assert.deepEqual(await signIn(), { who: "Signed in as ada@contoso.test." });
  for (const tab of ["#tab-fetch", "#tab-sdk"]) {
    await page.click(tab);
    assert.equal((await read()).value, VALUE, tab);
  }
  assert.deepEqual(provider.grants, ["authorization_code"]);
});

test("signed out, the page says to sign in", async () => {
  await signIn();
  await page.click("#sign-out");
  await page.waitFor(() => document.getElementById("who").textContent === "Signed out.");
  const { code, words } = await read();
  assert.equal(code, "Unauthorized");
  assert.match(words, /You are signed out\..*Sign in/);
});

const HOUR = 3600;
const now = () => Math.floor(Date.now() / 1000);
for (const [title, claims, code, words] of [
  ["an expired token", () => ({ exp: now() - HOUR, nbf: now() - 2 * HOUR }), "not-accepted", /Sign in again: it may have expired/],
  [
    "a token for another API",
    () => ({ aud: "00000000-0000-4000-8000-000000000000" }),
    "not-accepted",
    new RegExp(`its scope must begin with api://${API_CLIENT}/`),
  ],
  ["a token without the scope", () => ({ scp: "other.read" }), "CallerNotAllowed", /you may not read secrets here.*role or scope/],
]) {
  test(`with ${title} the page says what to do`, async () => {
    provider.next = { claims: claims() };
    assert.deepEqual(await signIn(), { who: "Signed in as ada@contoso.test." });
    const outcome = await read();
    assert.equal(outcome.code, code);
    assert.match(outcome.words, words);
  });
}

test("where a role is required, the page says to ask for it, and whoever has it reads the secret", async () => {
  await open(byRole);
  await signIn();
  const { code, words } = await read();
  assert.equal(code, "CallerNotAllowed");
  assert.match(words, /you may not read secrets here.*role or scope/);

  await open(byRole);
  provider.next = { claims: { roles: ["Secrets.Reader"] } };
  await signIn();
  assert.equal((await read()).value, VALUE);
});

test("where consent is missing, nobody is signed in, and the page says who can give it", async () => {
  provider.next = { error: "consent_required" };
  const { code, words } = await signIn();
  assert.equal(code, "consent");
  assert.match(words, /Consent is missing\..*administrator/);
});
