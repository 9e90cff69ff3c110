// What the page of ../sdk.test.mjs runs: Microsoft's clients, as an app's bundler would pack them.

import { SecretClient as Current } from "@azure/keyvault-secrets";
import { SecretClient as Previous } from "keyvault-secrets-previous";

const clients = { current: Current, previous: Previous };

/** Calls `getSecret` and returns plain data: what the client gave or threw, and which tokens it asked for. */
globalThis.callGetSecret = async ({ which, vaultUrl, functionKey, token, maxRetries, args }) => {
  const asked = [];
  const credential = {
    async getToken(scopes, { tenantId }) {
      asked.push({ scopes, tenantId });
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
  const key = {
    name: "functionKey",
    async sendRequest(request, next) {
      request.headers.set("x-functions-key", functionKey);
      return next(request);
    },
  };
  const client = new clients[which](vaultUrl, credential, {
    // The challenge names this app's own audience, which is part of no vault's name.
    disableChallengeResourceVerification: true,
    additionalPolicies: [{ policy: key, position: "perCall" }],
    retryOptions: { maxRetries },
  });
  try {
    const { name, value, properties } = await client.getSecret(...args);
    return { asked, secret: { name, value, version: properties.version, enabled: properties.enabled } };
  } catch (error) {
    const { name, code, statusCode } = error;
    const inner = error.details?.error?.innerError?.code;
    const retryAfter = error.response?.headers.get("retry-after");
    return { asked, error: { name, code, statusCode, inner, retryAfter } };
  }
};
