// What stands in front of a handler: it passes everything on, and writes down which requests came.

import { once } from "node:events";
import { Agent, createServer, request } from "node:http";

/** The response header that a mutation run takes away from every handler; see ../mutations.mjs. */
const STRIP = process.env.STRIP?.toLowerCase();

const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding"];

/** The pairs of a flat list of header names and values, less some. */
function without(rawHeaders, isDropped) {
  const kept = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!isDropped(rawHeaders[at].toLowerCase())) kept.push(rawHeaders[at], rawHeaders[at + 1]);
  }
  return kept;
}

export class Door {
  #agent = new Agent({ keepAlive: true });
  #server;
  #requests = [];
  #answers = [];

  /**
   * @param replace response headers that something on the way to the browser changes
   * @param withoutFetchMetadata whether the browser is one that sends no `Sec-Fetch-*`
   */
  static async open(handlerPort, { replace = {}, withoutFetchMetadata = false } = {}) {
    const door = new Door();
    const isLost = (name) => HOP_BY_HOP.includes(name) || name === STRIP || Object.hasOwn(replace, name);
    const isUnsent = (name) => HOP_BY_HOP.includes(name) || (withoutFetchMetadata && name.startsWith("sec-fetch-"));
    door.#server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
      const { method, url, headers, rawHeaders } = incoming;
      // Browsers ask for it when a person goes to an address; it is nobody's subject here.
      const isWatched = url !== "/favicon.ico";
      if (isWatched) door.#requests.push({ method, url, headers });
      const options = { host: "127.0.0.1", port: handlerPort, method, path: url, agent: door.#agent };
      const onward = request({ ...options, headers: without(rawHeaders, isUnsent) }, (answer) => {
        if (isWatched) door.#answers.push({ method, status: answer.statusCode, headers: answer.headers });
        outgoing.sendDate = false;
        outgoing.writeHead(answer.statusCode, [...without(answer.rawHeaders, isLost), ...Object.entries(replace).flat()]);
        answer.pipe(outgoing);
      });
      onward.on("error", (error) => outgoing.destroy(error));
      incoming.pipe(onward);
    });
    door.#server.listen(0, "127.0.0.1");
    await once(door.#server, "listening");
    return door;
  }

  get port() {
    return this.#server.address().port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The requests since the last look, in the order in which they came. */
  take() {
    this.#answers.length = 0;
    return this.#requests.splice(0);
  }

  /** What the handler answered since the last `take`. */
  get answers() {
    return [...this.#answers];
  }

  /** Their methods alone. */
  methods() {
    return this.take().map(({ method }) => method);
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }
}
