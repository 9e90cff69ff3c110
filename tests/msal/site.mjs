// The page of examples/spa, as any static web server would serve it, with a configuration of its own.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../examples/spa", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** Serves the page; `config` becomes its config.json. Returns the server's port. */
export async function serveSite(config) {
  const server = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    if (pathname === "/config.json") return response.end(JSON.stringify(config));
    const file = pathname === "/" ? "/index.html" : pathname;
    try {
      const text = await readFile(join(FOLDER, file));
      response.setHeader("Content-Type", TYPES[extname(file)] ?? "text/plain");
      response.end(text);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return server.address().port;
}
