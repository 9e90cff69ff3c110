// A client of W3C WebDriver (https://www.w3.org/TR/webdriver2/), as far as these tests need it: no package.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { ENGINES, missing } from "./engines.mjs";

/** How long a browser may take to start, or any other command of its driver; and a page to load or a script to end. */
const START_MS = 60_000;
const WAIT_MS = 30_000;

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

const GUARD = fileURLToPath(new URL("guard.mjs", import.meta.url));

export class WebDriverError extends Error {}

/** One window of a browser, which is its own unless it was opened in another's. */
export class Browser {
  #base;
  #driver;
  #session;
  /** The window of the browser that this one was opened from. */
  #opener;
  /** What the driver and its browser wrote, for when they do not start. */
  #output = "";

  /** Starts a browser in a profile of its own. */
  static async launch(engine, options = {}) {
    const lack = missing(engine);
    if (lack) throw new Error(`${engine} is not installed: ${lack} is missing (tests/browser/run installs both)`);
    const browser = new Browser();
    browser.engine = engine;
    await browser.#start(options);
    return browser;
  }

  /** Opens a window in a browser that runs: `shared` is what it said. One window at a time is driven. */
  static async open({ engine, base, session }) {
    const browser = new Browser();
    browser.engine = engine;
    browser.#base = base;
    browser.#session = session;
    browser.#opener = await browser.command("GET", "/window");
    const { handle } = await browser.command("POST", "/window/new", { type: "window" });
    await browser.command("POST", "/window", { handle });
    // What others left there is not this window's.
    await browser.consoleText();
    return browser;
  }

  /** How another process opens a window in this browser. */
  get shared() {
    return { engine: this.engine, base: this.#base, session: this.#session };
  }

  async #start(options) {
    const { driver, browser, args, address, capabilities } = ENGINES[this.engine];
    // A test file that is killed leaves no browser behind.
    this.#driver = spawn(process.execPath, [GUARD, driver, ...args], { stdio: "pipe" });
    for (const stream of [this.#driver.stdout, this.#driver.stderr]) {
      stream.on("data", (chunk) => (this.#output += chunk));
    }
    await this.#untilReady(address);
    const wanted = {
      acceptInsecureCerts: true,
      timeouts: { script: WAIT_MS, pageLoad: WAIT_MS },
      ...capabilities(browser, options),
    };
    const { sessionId } = await this.#send("POST", "/session", { capabilities: { alwaysMatch: wanted } });
    this.#session = sessionId;
  }

  async #untilReady(address) {
    const deadline = Date.now() + START_MS;
    for (let cause; ; ) {
      const host = address(this.#output);
      if (host) {
        this.#base = `http://${host}`;
        try {
          await this.#send("GET", "/status");
          return;
        } catch (error) {
          cause = error;
        }
      }
      if (Date.now() > deadline || this.#driver.exitCode !== null) {
        throw new Error(`${this.engine}'s driver did not start: ${this.#output}`, { cause });
      }
      await setTimeout(20);
    }
  }

  async #send(method, path, body = {}) {
    const text = method === "POST" ? JSON.stringify(body) : "";
    const headers = text && { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const signal = AbortSignal.timeout(START_MS);
    const sent = request(this.#base + path, { method, agent: false, headers: headers || {}, signal });
    sent.end(text);
    const [answer] = await once(sent, "response").catch((cause) => {
      throw signal.aborted ? new Error(`${this.engine}'s driver never answered ${method} ${path}: ${this.#output}`) : cause;
    });
    const { value } = JSON.parse(Buffer.concat(await answer.toArray()));
    if (value?.error) throw new WebDriverError(`${value.error}: ${value.message}`);
    return value;
  }

  /** One command at a time: WebKitWebDriver never answers the second of two. */
  #last = Promise.resolve();
  command(method, path, body) {
    const next = this.#last.then(() => this.#send(method, `/session/${this.#session}${path}`, body));
    this.#last = next.catch(() => {});
    return next;
  }

  async close() {
    if (this.#opener) {
      await this.command("DELETE", "/window");
      await this.command("POST", "/window", { handle: this.#opener });
      return;
    }
    const ended = once(this.#driver, "exit");
    // A session that broke off has nothing to delete; the driver ends all the same.
    await this.command("DELETE", "").catch(() => {});
    this.#driver.stdin.end();
    await ended;
  }

  goto(url) {
    return this.command("POST", "/url", { url });
  }

  url() {
    return this.command("GET", "/url");
  }

  /** Runs a function in the page and returns its result; what it throws is thrown here. */
  async evaluate(fn, argument = null) {
    const script = `const [argument, done] = arguments;
      (async () => (${fn})(argument))().then((value) => done({ value }), (error) => done({ failed: String(error) }));`;
    const result = await this.command("POST", "/execute/async", { script, args: [argument] });
    if (!result) throw new WebDriverError("the page went away before the script's end");
    if (result.failed) throw new Error(result.failed);
    return result.value;
  }

  /** Waits until a function in the page gives something truthy, and returns that; the page may change meanwhile. */
  async waitFor(fn, argument, { ms = WAIT_MS } = {}) {
    const deadline = Date.now() + ms;
    for (;;) {
      const value = await this.evaluate(fn, argument).catch((error) => {
        if (!(error instanceof WebDriverError)) throw error;
      });
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`never became true: ${fn}`);
      await setTimeout(25);
    }
  }

  /** The frame whose place in the page is `index`. */
  frame(index) {
    return {
      evaluate: async (fn, argument) => {
        await this.command("POST", "/frame", { id: index });
        try {
          return await this.evaluate(fn, argument);
        } finally {
          await this.command("POST", "/frame", { id: null });
        }
      },
    };
  }

  async element(css) {
    return (await this.command("POST", "/element", { using: "css selector", value: css }))[ELEMENT];
  }

  async click(css) {
    await this.command("POST", `/element/${await this.element(css)}/click`);
  }

  /** Replaces what is in a field. */
  async fill(css, text) {
    const element = await this.element(css);
    await this.command("POST", `/element/${element}/clear`);
    await this.command("POST", `/element/${element}/value`, { text });
  }

  async press(...keys) {
    const actions = keys.flatMap((value) => [
      { type: "keyDown", value },
      { type: "keyUp", value },
    ]);
    await this.command("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  resize(width, height) {
    return this.command("POST", "/window/rect", { width, height });
  }

  async screenshot() {
    return Buffer.from(await this.command("GET", "/screenshot"), "base64");
  }

  /** What the browser's console said since the last look, as text; null on WebKit, whose driver does not hand it out. */
  async consoleText() {
    if (this.engine === "chromium") {
      return (await this.command("POST", "/se/log", { type: "browser" })).map(({ message }) => message).join("\n");
    }
    if (this.engine === "webkit") return null;
    await this.command("POST", "/moz/context", { context: "chrome" });
    try {
      const script = `const said = Services.console.getMessageArray().map((each) => each.errorMessage ?? each.message);
        Services.console.reset();
        return said.join("\\n");`;
      return await this.command("POST", "/execute/sync", { script, args: [] });
    } finally {
      await this.command("POST", "/moz/context", { context: "content" });
    }
  }
}
