// Azure's JavaScript SDK, unmodified, against the emulator over TLS.

import assert from "node:assert/strict";
import { test } from "node:test";

import { all, connect, toThisMachine } from "./client.mjs";

const VAULT = process.env.KEY_VAULT_URL;
const VERSION = /^[0-9a-f]{32}$/;

// The challenge names vault.azure.net, and `localhost` is no host below it: everybody who points the SDK at the
// emulator has to turn this verification off. The last two tests have it on.
const UNVERIFIED = { disableChallengeResourceVerification: true };
const { client } = connect(VAULT, UNVERIFIED);

/** Fails unless the operation ends in this error of the vault's. */
async function refused(operation, statusCode, code) {
  await assert.rejects(operation, { name: "RestError", statusCode, code });
}

test("the first request is challenged, and a managed identity's token goes with all others", async () => {
  const { client, sent } = connect(VAULT, UNVERIFIED);

  await client.setSecret("js-challenge", "one");
  await client.getSecret("js-challenge");

  assert.deepEqual(sent, [
    [false, 401],
    [true, 200],
    [true, 200],
  ]);
});

test("a secret's properties go round", async () => {
  const options = {
    contentType: "text/plain; charset=utf-8",
    enabled: true,
    notBefore: new Date("2020-01-02T03:04:05Z"),
    // No date after January 2038 would go round: the SDK sends seconds as a signed number of 32 bits.
    expiresOn: new Date("2037-01-02T03:04:05Z"),
    tags: { team: "front end", "ключ": "значение" },
  };

  const set = await client.setSecret("js-properties", "value", options);
  const got = await client.getSecret("js-properties");

  assert.deepEqual(got, set);
  assert.equal(got.value, "value");
  const { contentType, enabled, notBefore, expiresOn, tags } = got.properties;
  assert.deepEqual({ contentType, enabled, notBefore, expiresOn, tags }, options);
  const { version, id, vaultUrl, name, createdOn, updatedOn, recoveryLevel, recoverableDays } = got.properties;
  assert.match(version, VERSION);
  assert.equal(id, `${VAULT}/secrets/js-properties/${version}`);
  assert.deepEqual([vaultUrl, name], [VAULT, "js-properties"]);
  assert.ok(Math.abs(createdOn - Date.now()) < 60_000, String(createdOn));
  assert.deepEqual(updatedOn, createdOn);
  assert.deepEqual([recoveryLevel, recoverableDays], ["Recoverable+Purgeable", 90]);
});

test("what is not set is absent", async () => {
  const { properties } = await client.setSecret("js-bare", "value");

  assert.equal(properties.enabled, true);
  for (const name of ["contentType", "notBefore", "expiresOn", "tags", "managed", "certificateKeyId"]) {
    assert.equal(properties[name], undefined, name);
  }
});

test("each value is a version, and names have no case", async () => {
  const first = await client.setSecret("js-Versions", "one");
  const second = await client.setSecret("JS-versions", "two");
  assert.notEqual(first.properties.version, second.properties.version);

  const current = await client.getSecret("js-VERSIONS");
  assert.deepEqual([current.value, current.properties.version], ["two", second.properties.version]);
  const old = await client.getSecret("js-versions", { version: first.properties.version });
  assert.deepEqual([old.value, old.properties.version], ["one", first.properties.version]);
});

test("values keep every character, up to 25 KB", async () => {
  const limit = 25 * 1024;
  const values = ["", " \t\r\n ", "\"\\/<>&'%2F\u0000\u007f", "žluťoučký кот 猫 🐈‍⬛ e\u0301", "x".repeat(limit)];
  for (const value of values) {
    await client.setSecret("js-value", value);
    assert.equal((await client.getSecret("js-value")).value, value);
  }
  await refused(client.setSecret("js-value", "x".repeat(limit + 1)), 400, "BadParameter");
});

test("properties are updated one by one, and the value stays", async () => {
  const { properties } = await client.setSecret("js-update", "one", {
    contentType: "text/plain",
    expiresOn: new Date("2036-01-01T00:00:00Z"),
    tags: { a: "1", b: "2" },
  });
  await client.setSecret("js-update", "two");

  const expiresOn = new Date("2037-01-01T00:00:00Z");
  const updated = await client.updateSecretProperties("js-update", properties.version, { expiresOn, tags: { c: "3" } });

  const got = await client.getSecret("js-update", { version: properties.version });
  assert.deepEqual(updated, got.properties);
  assert.equal(got.value, "one");
  assert.equal(updated.contentType, "text/plain");
  assert.deepEqual([updated.expiresOn, updated.tags], [expiresOn, { c: "3" }]);
  assert.equal((await client.getSecret("js-update")).properties.expiresOn, undefined);
});

test("a disabled secret is listed and not read, until it is enabled", async () => {
  const { properties } = await client.setSecret("js-disabled", "value", { enabled: false });

  await refused(client.getSecret("js-disabled"), 403, "Forbidden");
  const [listed] = await all(client.listPropertiesOfSecretVersions("js-disabled"));
  assert.deepEqual([listed.version, listed.enabled], [properties.version, false]);

  await client.updateSecretProperties("js-disabled", properties.version, { enabled: true });
  assert.equal((await client.getSecret("js-disabled")).value, "value");
});

test("an expired and a not yet valid secret are read like any other", async () => {
  await client.setSecret("js-expired", "value", { expiresOn: new Date("2020-01-01T00:00:00Z") });
  assert.equal((await client.getSecret("js-expired")).value, "value");
  await client.setSecret("js-early", "value", { notBefore: new Date("2037-01-01T00:00:00Z") });
  assert.equal((await client.getSecret("js-early")).value, "value");
});

test("what is not there is SecretNotFound", async () => {
  await client.setSecret("js-there", "value");

  await refused(client.getSecret("js-missing"), 404, "SecretNotFound");
  await refused(client.getSecret("js-there", { version: "0".repeat(32) }), 404, "SecretNotFound");
  await refused(client.updateSecretProperties("js-missing", "0".repeat(32), { enabled: false }), 404, "SecretNotFound");
  await refused(client.beginDeleteSecret("js-missing"), 404, "SecretNotFound");
  await refused(client.getDeletedSecret("js-there"), 404, "SecretNotFound");
  await refused(client.beginRecoverDeletedSecret("js-missing"), 404, "SecretNotFound");
  await refused(client.purgeDeletedSecret("js-there"), 404, "SecretNotFound");
  await refused(client.getSecret("js_no_name"), 400, "BadParameter");
  assert.deepEqual(await all(client.listPropertiesOfSecretVersions("js-missing")), []);
});

test("secrets are listed page by page, without values", async () => {
  const names = Array.from({ length: 30 }, (_, number) => `js-list-${String(number).padStart(2, "0")}`);
  for (const name of names) await client.setSecret(name, "value", { contentType: name });

  const isOurs = ({ name }) => name.startsWith("js-list-");
  const pages = await all(client.listPropertiesOfSecrets().byPage());
  assert.deepEqual(new Set(pages.slice(0, -1).map((page) => page.length)), new Set([25]));
  const listed = pages.flat().filter(isOurs);
  assert.deepEqual(listed.map(({ name }) => name), names);
  for (const { name, version, id, contentType, enabled } of listed) {
    assert.deepEqual([version, id, contentType, enabled], [undefined, `${VAULT}/secrets/${name}`, name, true]);
  }

  assert.deepEqual((await all(client.listPropertiesOfSecrets())).filter(isOurs), listed);
  const small = await all(client.listPropertiesOfSecrets().byPage({ maxPageSize: 7 }));
  assert.deepEqual(new Set(small.slice(0, -1).map((page) => page.length)), new Set([7]));
  assert.deepEqual(small.flat().filter(isOurs), listed);
});

test("versions are listed page by page", async () => {
  const versions = [];
  for (let number = 0; number < 30; number += 1) {
    versions.push((await client.setSecret("js-many", String(number))).properties.version);
  }

  const pages = await all(client.listPropertiesOfSecretVersions("js-many").byPage());

  assert.deepEqual(pages.map((page) => page.length), [25, 5]);
  assert.deepEqual(pages.flat().map(({ version }) => version).sort(), versions.sort());
});

test("a deleted secret is recovered with all its versions, or purged", async () => {
  const soon = { intervalInMs: 10 };
  const first = await client.setSecret("js-delete", "one");
  const second = await client.setSecret("js-delete", "two");

  const deleted = await (await client.beginDeleteSecret("js-delete", soon)).pollUntilDone();
  assert.equal(deleted.recoveryId, `${VAULT}/deletedsecrets/js-delete`);
  assert.equal(deleted.scheduledPurgeDate - deleted.deletedOn, 90 * 24 * 60 * 60 * 1000);
  await refused(client.getSecret("js-delete"), 404, "SecretNotFound");
  await refused(client.getSecret("js-delete", { version: first.properties.version }), 404, "SecretNotFound");
  await refused(client.setSecret("js-delete", "three"), 409, "Conflict");
  const got = await client.getDeletedSecret("js-delete");
  assert.deepEqual([got.name, got.value, got.deletedOn], ["js-delete", undefined, deleted.deletedOn]);

  const recovered = await (await client.beginRecoverDeletedSecret("js-delete", soon)).pollUntilDone();
  assert.deepEqual([recovered.name, recovered.version], ["js-delete", second.properties.version]);
  assert.equal((await client.getSecret("js-delete")).value, "two");
  assert.equal((await all(client.listPropertiesOfSecretVersions("js-delete"))).length, 2);
  await refused(client.getDeletedSecret("js-delete"), 404, "SecretNotFound");

  await (await client.beginDeleteSecret("js-delete", soon)).pollUntilDone();
  await client.purgeDeletedSecret("js-delete");
  await refused(client.getDeletedSecret("js-delete"), 404, "SecretNotFound");
  await client.setSecret("js-delete", "four");
  assert.equal((await all(client.listPropertiesOfSecretVersions("js-delete"))).length, 1);
});

test("deleted secrets are listed page by page", async () => {
  const names = ["js-gone-1", "js-gone-2", "js-gone-3"];
  for (const name of names) {
    await client.setSecret(name, "value");
    await client.beginDeleteSecret(name);
  }

  const pages = await all(client.listDeletedSecrets().byPage({ maxPageSize: 1 }));

  assert.ok(pages.every((page) => page.length === 1));
  const listed = pages.flat().filter(({ name }) => name.startsWith("js-gone-"));
  assert.deepEqual(listed.map(({ name }) => name), names);
  assert.ok(listed.every(({ value, deletedOn }) => value === undefined && deletedOn instanceof Date));
});

test("a challenge for vault.azure.net is not answered at another host", async () => {
  const { client, sent } = connect(VAULT, {});

  await assert.rejects(client.getSecret("maps-key"), /does not match the requested domain/);

  assert.deepEqual(sent, [[false, 401]]);
});

test("a challenge for vault.azure.net is answered at a host below it", async () => {
  // Lists would not do: their links to the next page name `localhost`.
  const { port } = new URL(VAULT);
  const agent = toThisMachine("localhost");
  const { client, sent } = connect(`https://emulated-vault.vault.azure.net:${port}`, { agent });

  assert.equal((await client.getSecret("maps-key")).properties.contentType, "text/plain");

  assert.deepEqual(sent, [
    [false, 401],
    [true, 200],
  ]);
});
