// Azure's JavaScript SDK, unmodified, reading secrets through the handler as any app of the tenant may.

import assert from "node:assert/strict";
import https from "node:https";
import { test } from "node:test";

import { createDefaultHttpClient } from "@azure/core-rest-pipeline";
import { SecretClient } from "@azure/keyvault-secrets";

const { APP_URL, APP_PORT, APP_TOKEN, FIRST_VERSION, SECOND_VERSION, STRICT_PORT, ORIGIN } = process.env;

const url = new URL(APP_URL);
url.port = APP_PORT;

/** Connects to 127.0.0.1 whatever the host; TLS is verified all the same, against the certificate's own name. */
const agent = new https.Agent({
  lookup: (_host, options, done) =>
    options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4),
  servername: "localhost",
});

/** The requests that the client sends: whether each had a token, and the status of its answer. */
const sent = [];
const network = createDefaultHttpClient();
const httpClient = {
  async sendRequest(request) {
    request.agent = agent;
    const response = await network.sendRequest(request);
    sent.push([request.headers.has("authorization"), response.status]);
    return response;
  },
};
const credential = { getToken: async () => ({ token: APP_TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 }) };
// The challenge names the audience, which this host is below: the SDK verifies that, as it is built to. A second try
// would hide a failure.
const client = new SecretClient(url.href, credential, { httpClient, retryOptions: { maxRetries: 0 } });

test("the current version and any other are read", async () => {
  const current = await client.getSecret("APP-key");
  assert.deepEqual([current.value, current.name], ["žluťoučký кот 🐈", "app-key"]);
  assert.equal(current.properties.id, `https://${url.hostname}/secrets/app-key/${SECOND_VERSION}`);
  assert.equal(current.properties.tags, undefined);

  const old = await client.getSecret("app-key", { version: FIRST_VERSION });
  assert.deepEqual([old.value, old.properties.version], ["one", FIRST_VERSION]);
  const { contentType, expiresOn, enabled, createdOn } = old.properties;
  assert.deepEqual([contentType, expiresOn, enabled], ["text/plain", new Date("2037-01-01T00:00:00Z"), true]);
  assert.ok(Math.abs(createdOn - Date.now()) < 600_000, String(createdOn));

  assert.deepEqual(sent, [
    [false, 401],
    [true, 200],
    [true, 200],
  ]);
});

test("what is not served is the error that the SDK knows", async () => {
  for (const [name, statusCode, code] of [
    ["app-missing", 404, "SecretNotFound"],
    ["not-allowed", 404, "SecretNotFound"],
    ["app-disabled", 403, "Forbidden"],
    ["app-expired", 403, "Forbidden"],
    ["app_key", 400, "BadParameter"],
  ]) {
    await assert.rejects(client.getSecret(name), { name: "RestError", statusCode, code });
  }
});

test("where an origin is required, the client is refused until a policy sends an allowed one", async () => {
  const strictUrl = new URL(APP_URL);
  strictUrl.port = STRICT_PORT;
  const connect = (additionalPolicies) =>
    new SecretClient(strictUrl.href, credential, { httpClient, additionalPolicies, retryOptions: { maxRetries: 0 } });
  await assert.rejects(connect([]).getSecret("app-key"), { name: "RestError", statusCode: 403, code: "Forbidden" });

  const origin = {
    name: "origin",
    sendRequest(request, next) {
      request.headers.set("origin", ORIGIN);
      return next(request);
    },
  };
  const { value } = await connect([{ policy: origin, position: "perRetry" }]).getSecret("app-key");
  assert.equal(value, "žluťoučký кот 🐈");
});
