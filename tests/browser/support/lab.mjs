// The product under test, as processes: the lab (crates/testkit/src/bin/lab.rs) with its vault and hosts, and handlers, each
// behind a door that writes down what reaches it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Door } from "./door.mjs";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export const SECRET = "maps-key";
export const PATH = `/api/secrets/${SECRET}`;
export const VALUE = "pk.a-publishable-key";

// A signal ends a process without its "exit" event: the test runner sends one to a file that is out of time.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/** How long the Functions host gives a handler to start. */
const START_MS = 30_000;

/**
 * Builds what the tests run, and returns where cargo put it: a map from a target's name to its path. Once a process, or once
 * for all those of `in-one-browser`.
 * The demo is named so that cargo resolves the same features as for `cargo test --workspace`, and builds nothing twice.
 */
let executables = process.env.EXECUTABLES && JSON.parse(process.env.EXECUTABLES);
export function build() {
  if (executables) return executables;
  const targets = ["--workspace", "--bin", "handler", "--bin", "lab", "--example", "demo"];
  const { status, stdout } = spawnSync(
    "cargo",
    ["build", "--quiet", "--locked", ...targets, "--message-format", "json-render-diagnostics"],
    { cwd: ROOT, encoding: "utf8", maxBuffer: 2 ** 26, stdio: ["ignore", "pipe", "inherit"] },
  );
  assert.equal(status, 0, "cargo could not build the handler and the lab");
  const messages = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const built = messages.filter(({ executable }) => executable);
  executables = Object.fromEntries(built.map(({ target, executable }) => [target.name, executable]));
  return executables;
}

export class Lab {
  #child;
  #lines;
  #last = Promise.resolve();
  #handlers = [];
  #doors = [];

  /** A fresh vault that holds one secret. */
  static async start() {
    const lab = new Lab();
    // The lab ends with this process by itself; handlers have to be told, also when a test file breaks off.
    process.once("exit", () => lab.#handlers.forEach((handler) => handler.kill()));
    lab.#child = spawn(build().lab, { stdio: ["pipe", "pipe", "inherit"] });
    lab.#lines = createInterface({ input: lab.#child.stdout })[Symbol.asyncIterator]();
    Object.assign(lab, await lab.#answer());
    await lab.do("put", { name: SECRET, value: VALUE });
    return lab;
  }

  async #answer() {
    const { value, done } = await this.#lines.next();
    assert.ok(!done, "the lab has ended; it says why above");
    return JSON.parse(value);
  }

  /** One command; answers come in the order of the commands. */
  do(command, details = {}) {
    this.#child.stdin.write(`${JSON.stringify({ do: command, ...details })}\n`);
    this.#last = this.#last.then(() => this.#answer());
    return this.#last;
  }

  /** Starts a handler with these settings over the usual ones, and a door in front of it. */
  async handler(settings, options) {
    const { port } = await this.do("reserve-port");
    const child = spawn(build().handler, {
      cwd: ROOT,
      env: {
        ...this.environment,
        FUNCTIONS_APP_ROOT_PATH: ROOT,
        FUNCTIONS_CUSTOMHANDLER_PORT: String(port),
        ALLOWED_SECRETS: `${SECRET},geo-*`,
        // Each request is to take the whole way to the vault, so that its counters show which did.
        CACHE_TTL_SECONDS: "0",
        ...settings,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#handlers.push(child);
    let complaints = "";
    child.stderr.on("data", (chunk) => (complaints += chunk));
    const deadline = Date.now() + START_MS;
    while (!(await answers(port))) {
      assert.equal(child.exitCode, null, `the handler has ended: ${complaints}`);
      assert.ok(Date.now() < deadline, `the handler did not start: ${complaints}`);
      await setTimeout(25);
    }
    const door = await Door.open(port, options);
    this.#doors.push(door);
    return door;
  }

  /** Puts the Functions host in front of a door and returns the port that it listens on. */
  async functionsHost(door, { mode = "proxying", platformCors } = {}) {
    return (await this.do("functions-host", { handlerPort: door.port, mode, platformCors })).port;
  }

  /** Puts TLS in front of a port and returns the port of that. */
  async tls(port) {
    return (await this.do("tls-front", { port })).port;
  }

  /** Starts to count anew: what follows is what `assertUntouched` looks at. */
  async forget() {
    await this.do("counters");
  }

  /** Fails when the vault or the identity endpoint was asked since the start or the last look. */
  async assertUntouched() {
    const { connections, gets, tokens } = await this.do("counters");
    assert.deepEqual({ connections, gets, tokens }, { connections: 0, gets: 0, tokens: 0 }, "the vault was asked");
  }

  async stop() {
    for (const door of this.#doors) door.close();
    const children = [...this.#handlers, this.#child].filter((child) => child.exitCode === null);
    const ends = children.map((child) => once(child, "exit"));
    for (const handler of this.#handlers) handler.kill();
    this.#child.stdin.end();
    await Promise.all(ends);
  }
}

/** What the Functions host does to learn whether a handler is ready: any HTTP answer is a yes. */
async function answers(port) {
  const request = get({ host: "127.0.0.1", port, path: "/", agent: false });
  try {
    const [response] = await once(request, "response");
    response.resume();
    return true;
  } catch {
    return false;
  }
}
