// A real browser, pages for it to show, and what a script on such a page gets.

import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";

import { ENGINE } from "./engines.mjs";
import { Browser } from "./webdriver.mjs";

/**
 * A window of the engine that these tests run on: with options, even none, in a browser of its own, else in that of
 * `in-one-browser` if there is one.
 */
export function launch(options) {
  const { SHARED_BROWSER: shared } = process.env;
  return shared && !options ? Browser.open(JSON.parse(shared)) : Browser.launch(ENGINE, options);
}

/** Serves an empty page on every path, and these scripts on theirs; returns the server's port. */
export async function servePages(scripts = {}) {
  const server = createServer(({ url }, response) => {
    const script = scripts[url];
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
    response.end(
      script ?? '<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"></html>',
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // The process is to end when its tests do, and not when a browser that goes on lets go of its connections.
  server.on("connection", (socket) => socket.unref());
  server.unref();
  return server.address().port;
}

/**
 * A proxy to put before a browser, which so finds names that the DNS does not have, on their schemes' own ports:
 * `{"app.contoso.test": {http: PORT, https: PORT}}`. Nothing else gets through. Returns its address.
 */
export async function serveNames(names) {
  const server = createServer((incoming, outgoing) => {
    const { hostname, pathname, search } = new URL(incoming.url);
    const port = names[hostname]?.http;
    if (!port) return outgoing.writeHead(502).end();
    const { method, headers } = incoming;
    const onward = request({ host: "127.0.0.1", port, method, path: pathname + search, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on("connect", ({ url }, socket, head) => {
    const port = names[url.split(":")[0]]?.https;
    if (!port) return socket.end("HTTP/1.1 502 Unknown name\r\n\r\n");
    const onward = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connected\r\n\r\n");
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return `127.0.0.1:${server.address().port}`;
}

/** What `fetch` gives a script on a page or in a frame: the answer as far as the script may see it, or the error. */
export function ask(frame, url, init) {
  return frame.evaluate(
    async ([url, init]) => {
      try {
        const answer = await fetch(url, init);
        const headers = Object.fromEntries(answer.headers);
        return { type: answer.type, status: answer.status, headers, text: await answer.text() };
      } catch (error) {
        return { failed: error.name };
      }
    },
    [url, init ?? {}],
  );
}

/** What `ask` returns when the browser lets a script see nothing of an answer. */
export const BLOCKED = { failed: "TypeError" };

/** Puts an iframe with these properties into the page, and waits for it. Its place among the page's frames is the last. */
export async function addFrame(browser, { sandbox, ...properties }) {
  const index = await browser.evaluate(
    ([properties, sandbox]) =>
      new Promise((resolve) => {
        const frame = document.createElement("iframe");
        Object.assign(frame, properties, { onload: () => resolve(window.length - 1) });
        if (sandbox) frame.sandbox.add(sandbox);
        document.body.append(frame);
      }),
    [properties, sandbox ?? null],
  );
  return browser.frame(index);
}
