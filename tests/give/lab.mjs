// Handlers in front of a vault, through the lab (crates/testkit/src/bin/lab.rs), and what they give.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const ORIGIN = "https://app.contoso.com";
const AUDIENCE = "api://keyvault-cors";
const SCOPE = "Secrets.Read";

export class Lab {
  #child;
  #lines;

  static async start() {
    const lab = new Lab();
    lab.#child = spawn(process.env.LAB, { stdio: ["pipe", "pipe", "inherit"] });
    lab.#lines = createInterface({ input: lab.#child.stdout })[Symbol.asyncIterator]();
    Object.assign(lab, await lab.#answer());
    return lab;
  }

  async #answer() {
    const { value, done } = await this.#lines.next();
    assert.ok(!done, "the lab has ended; it says why above");
    return JSON.parse(value);
  }

  #do(command, details = {}) {
    this.#child.stdin.write(`${JSON.stringify({ do: command, ...details })}\n`);
    return this.#answer();
  }

  /** A page's view of a secret for which the handler gives this: a function that fetches it. */
  async giving(give, value, { expires, entra = false } = {}) {
    await this.#do("put", { name: "app-key", value, expires });
    const settings = {
      ALLOWED_SECRETS: "app-key",
      PREFETCH: "false",
      RULES__APP__SECRETS: "app-key",
      RULES__APP__GIVE: give,
    };
    const callers = {
      ENTRA_TENANT_ID: this.tenant,
      ENTRA_AUDIENCE: AUDIENCE,
      ENTRA_REQUIRED_SCOPES: SCOPE,
      ENTRA_AUTHORITY_HOST: this.authority,
    };
    const { port } = await this.#do("handler", { settings: entra ? { ...settings, ...callers } : settings });
    const headers = { origin: ORIGIN };
    let oid;
    if (entra) {
      const { token } = await this.#do("token", { audience: AUDIENCE, scope: SCOPE });
      headers.authorization = `Bearer ${token}`;
      ({ oid } = JSON.parse(Buffer.from(token.split(".")[1], "base64url")));
    }
    const fetched = await fetch(`http://127.0.0.1:${port}/api/secrets/app-key`, { headers });
    const bundle = await fetched.json();
    assert.equal(fetched.status, 200, JSON.stringify(bundle));
    return { ...bundle, oid };
  }

  async stop() {
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}
