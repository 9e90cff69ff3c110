// Azure's own SecretClient, unmodified, with keyvault-cors in the vault's place.
import { SecretClient } from "@azure/keyvault-secrets";

export function secretClient(api, credential) {
  return new SecretClient(api, credential, {
    // The challenge names your API, where the client expects the vault's domain.
    disableChallengeResourceVerification: true,
    // The demo's API is on this machine, without TLS. One in Azure has TLS and needs no such line.
    allowInsecureConnection: api.startsWith("http://localhost:"),
    // keyvault-cors has tried again already, and a person would rather be told.
    retryOptions: { maxRetries: 0 },
  });
}
