// oauth2-mock-server dressed as Entra: its addresses, its claims, its answers to MSAL; and what a tenant can refuse.

import { OAuth2Server } from "oauth2-mock-server";

export const PAGE_CLIENT = "11111111-2222-4333-8444-555555555555";
export const API_CLIENT = "99999999-8888-4777-a666-555555555555";
const PERSON = "6d3f6a39-2bd6-4d09-9e0a-2f4c7a0e7d11";

export class Provider {
  #server;
  /** The grants that the token endpoint was asked for since the start. */
  grants = [];
  /** What the next tokens are like: claims of the access token, and the error that ends a sign-in. */
  next = {};

  static async start(tenant, tlsFront) {
    const provider = new Provider();
    const path = `/${tenant}`;
    const server = new OAuth2Server(undefined, undefined, {
      endpoints: {
        wellKnownDocument: `${path}/v2.0/.well-known/openid-configuration`,
        authorize: `${path}/oauth2/v2.0/authorize`,
        token: `${path}/oauth2/v2.0/token`,
        jwks: `${path}/discovery/v2.0/keys`,
      },
    });
    await server.issuer.keys.generate("RS256");
    await server.start(0, "127.0.0.1");
    // MSAL and the handler speak TLS to it.
    server.issuer.url = `https://localhost:${await tlsFront(server.address().port)}`;
    provider.#server = server;
    provider.origin = server.issuer.url;
    provider.authority = provider.origin + path;
    provider.#dress(tenant);
    return provider;
  }

  #dress(tenant) {
    const { service } = this.#server;
    service.on("beforeAuthorizeRedirect", ({ url }, { query }) => {
      if (this.next.error) {
        url.searchParams.delete("code");
        url.searchParams.set("error", this.next.error);
        url.searchParams.set("error_description", `AADSTS00000: ${this.next.error}`);
      }
      if (query.response_mode === "fragment") {
        url.hash = url.search.slice(1);
        url.search = "";
      }
    });
    service.on("beforeTokenSigning", ({ payload }) => {
      const common = { tid: tenant, oid: PERSON, ver: "2.0" };
      // Both tokens pass here; the access token alone has a scope.
      if (payload.scope === undefined) {
        Object.assign(payload, common, { aud: PAGE_CLIENT, preferred_username: "ada@contoso.test", name: "Ada" });
        return;
      }
      Object.assign(payload, common, { aud: API_CLIENT, azp: PAGE_CLIENT, scp: "secrets.read", ...this.next.claims });
    });
    service.on("beforeResponse", ({ body }, request) => {
      this.grants.push(request.body.grant_type);
      const info = { uid: PERSON, utid: tenant };
      Object.assign(body, { expires_in: 3600, client_info: Buffer.from(JSON.stringify(info)).toString("base64url") });
    });
  }

  stop() {
    return this.#server.stop();
  }
}
