// Azure's own SecretClient, unmodified, with keyvault-cors in the vault's place.
import { SecretClient } from "@azure/keyvault-secrets";

export function secretClient(api, credential, { functionKey } = {}) {
  return new SecretClient(api, credential, {
    // The challenge names your API, where the client expects the vault's domain.
    disableChallengeResourceVerification: true,
    // The demo's API is on this machine, without TLS. One in Azure has TLS and needs no such line.
    allowInsecureConnection: api.startsWith("http://localhost:"),
    // keyvault-cors has tried again already, and a person would rather be told.
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy: functionsHost(functionKey), position: "perRetry" }],
  });
}

/** Sends the key that the Functions host wants, if there is one, and names the host's own refusal. */
function functionsHost(functionKey) {
  return {
    name: "functionsHost",
    async sendRequest(request, next) {
      if (functionKey) request.headers.set("x-functions-key", functionKey);
      const response = await next(request);
      // The host refuses a missing or wrong key without a challenge, of which the client would make a TypeError.
      if (response.status === 401 && !response.headers.has("www-authenticate")) {
        throw Object.assign(new Error("The function key is missing or wrong."), { code: "missing-key" });
      }
      return response;
    },
  };
}
