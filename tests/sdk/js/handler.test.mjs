// Azure's JavaScript SDK, unmodified, reading secrets through the handler as any app of the tenant may.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect, toThisMachine } from "./client.mjs";

const { APP_URL, APP_PORT, KEY_VAULT_URL } = process.env;

const { client: vault } = connect(KEY_VAULT_URL, { disableChallengeResourceVerification: true });

const url = new URL(APP_URL);
url.port = APP_PORT;
// The challenge names the audience, which this host is below: the SDK verifies that, as it is built to.
const { client, sent } = connect(url.href, { agent: toThisMachine() });

test("the current version and any other are read", async () => {
  const expiresOn = new Date("2037-01-01T00:00:00Z");
  const first = await vault.setSecret("app-js", "one", { contentType: "text/plain", expiresOn });
  const second = await vault.setSecret("app-js", "žluťoučký кот 🐈", { tags: { team: "front end" } });

  const current = await client.getSecret("APP-js");
  assert.deepEqual([current.value, current.name], ["žluťoučký кот 🐈", "app-js"]);
  assert.equal(current.properties.id, `https://${url.hostname}/secrets/app-js/${second.properties.version}`);
  assert.equal(current.properties.tags, undefined);

  const { version, createdOn } = first.properties;
  const old = await client.getSecret("app-js", { version });
  assert.deepEqual([old.value, old.properties.version], ["one", version]);
  assert.deepEqual([old.properties.contentType, old.properties.expiresOn], ["text/plain", expiresOn]);
  assert.deepEqual([old.properties.enabled, old.properties.createdOn], [true, createdOn]);

  assert.deepEqual(sent, [
    [false, 401],
    [true, 200],
    [true, 200],
  ]);
});

test("what is not served is the error that the SDK knows", async () => {
  await vault.setSecret("js-not-allowed", "value");
  await vault.setSecret("app-js-disabled", "value", { enabled: false });
  await vault.setSecret("app-js-expired", "value", { expiresOn: new Date("2020-01-01T00:00:00Z") });

  for (const [name, statusCode, code] of [
    ["app-js-missing", 404, "SecretNotFound"],
    ["js-not-allowed", 404, "SecretNotFound"],
    ["app-js-disabled", 403, "Forbidden"],
    ["app-js-expired", 403, "Forbidden"],
    ["app_js", 400, "BadParameter"],
  ]) {
    await assert.rejects(client.getSecret(name), { name: "RestError", statusCode, code });
  }
});
