// An issuer that nobody here wrote, at the address where the handler looks for Entra's v2 metadata.
//
// node issuer.mjs TENANT
//
// Prints its origin on one line, and ends when its standard input does. Tokens come from its own token endpoint:
// POST /token with {"grant_type":"client_credentials","claims":{...}}; the claims are added to what it puts in itself
// (iss, iat, exp, nbf). It has a key for each of three algorithms and signs with one after the other.

import { OAuth2Server } from "oauth2-mock-server";

const [tenant] = process.argv.slice(2);
const server = new OAuth2Server(undefined, undefined, {
  endpoints: { wellKnownDocument: `/${tenant}/v2.0/.well-known/openid-configuration` },
});
for (const algorithm of ["RS256", "PS256", "ES256"]) {
  await server.issuer.keys.generate(algorithm);
}
server.service.on("beforeTokenSigning", (token, request) => {
  Object.assign(token.payload, request.body.claims);
});
server.service.on("beforeResponse", (response) => {
  const [header] = response.body.access_token.split(".");
  response.body.alg = JSON.parse(Buffer.from(header, "base64url")).alg;
});
await server.start(0, "127.0.0.1");
console.log(server.issuer.url);

process.stdin.resume().on("end", () => process.exit(0));
