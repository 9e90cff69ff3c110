// A token for Web PubSub has the claims of the service's own client, and no others.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";

import { WebPubSubServiceClient } from "@azure/web-pubsub";

import { Lab } from "./lab.mjs";

const HOST = "contoso.webpubsub.azure.com";
const KEY = "QWVyeSBsb25nIGFjY2VzcyBrZXkgb2Ygd2ViIHB1YnN1Yg==";
const GIVE = `pubsub-token host=${HOST} hub=chat`;
const ROLES = ["webpubsub.joinLeaveGroup.news", "webpubsub.sendToGroup.news"];

let lab;
before(async () => (lab = await Lab.start()));
after(() => lab.stop());

const service = new WebPubSubServiceClient(`Endpoint=https://${HOST};AccessKey=${KEY};Version=1.0;`, "chat");
const parts = (token) => token.split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));

/** Fails unless the token is what the service's client makes with these options, but for the time. */
async function assertIsLike({ value, contentType, attributes }, options) {
  assert.equal(contentType, "application/jwt");
  const { token } = await service.getClientAccessToken({ expirationTimeInMinutes: 10, ...options });
  const [ownHeader, ownClaims] = parts(token);
  const [header, claims] = parts(value);
  assert.deepEqual(header, ownHeader);
  assert.deepEqual(claims, { ...ownClaims, iat: claims.iat, exp: claims.iat + 600 });
  assert.equal(claims.exp, attributes.exp);
  const [head, payload, signature] = value.split(".");
  // The key is text to the service, though it looks like base64.
  assert.equal(createHmac("sha256", KEY).update(`${head}.${payload}`).digest("base64url"), signature);
}

test("the user is the caller", async () => {
  const given = await lab.giving(GIVE, KEY, { entra: true });
  await assertIsLike(given, { userId: given.oid });
});

test("a token without a user has none", async () => {
  await assertIsLike(await lab.giving(`${GIVE} user=none`, KEY), {});
});

test("roles are those of the rule", async () => {
  const given = await lab.giving(`${GIVE} roles=${ROLES.join("+")}`, KEY, { entra: true });
  await assertIsLike(given, { userId: given.oid, roles: ROLES });
});
