// Clients of Azure's own SDK, and how they reach this machine under names that the DNS does not give it.

import https from "node:https";

import { createDefaultHttpClient } from "@azure/core-rest-pipeline";
import { ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

/** Connects to 127.0.0.1 whatever the host. TLS is verified all the same, against `servername` where it is given. */
export function toThisMachine(servername) {
  const lookup = (_host, options, done) =>
    options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
  return new https.Agent({ lookup, servername });
}

/**
 * A client with a credential that reads IDENTITY_ENDPOINT and IDENTITY_HEADER, and the requests that it sends:
 * whether each had a token, and the status of its answer.
 */
export function connect(url, { agent, ...options }) {
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
  // A second try would hide a failure.
  const retryOptions = { maxRetries: 0 };
  const client = new SecretClient(url, new ManagedIdentityCredential(), { ...options, retryOptions, httpClient });
  return { client, sent };
}

/** Everything that an iterator of the SDK gives. */
export async function all(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}
