// A real Chromium, pages for it to show, and what a script on such a page gets.

import { createHash } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { delimiter, join } from "node:path";
import { connect } from "node:tls";

import { chromium } from "playwright-core";

/** Chromium talks to the machine that it runs on and to nobody else. */
export const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

export function executable() {
  if (process.env.CHROME_PATH) return process.env.CHROME_PATH;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const places = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  places.push("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
  const found = places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found)
    throw new Error("No Chromium or Chrome found. Install one (`apt-get install chromium`), or set CHROME_PATH.");
  return found;
}

/** The hash of a certificate's key, as Chromium wants it to trust that key and no other. */
async function keyHash(vaultUrl) {
  const { hostname, port } = new URL(vaultUrl);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { publicKey } = socket.getPeerX509Certificate();
  socket.destroy();
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}

/** Starts a browser that trusts the lab's certificate. */
export async function launch(lab, ...more) {
  const trust = `--ignore-certificate-errors-spki-list=${await keyHash(lab.environment.KEY_VAULT_URL)}`;
  return chromium.launch({ executablePath: executable(), args: [...FLAGS, trust, ...more] });
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
  // The process is to end when its tests do.
  server.unref();
  return server.address().port;
}

/** Opens an address in a profile of its own: nothing is cached and no cookie is set. */
export async function open(browser, address) {
  const page = await browser.newPage();
  await page.goto(address);
  return page;
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
    [url, init],
  );
}

/** What `ask` returns when the browser lets a script see nothing of an answer. */
export const BLOCKED = { failed: "TypeError" };
