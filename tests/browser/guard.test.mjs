// A test file that is killed runs no code of its own, and its browser has to end all the same.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

const LAUNCH = new URL("support/browser.mjs", import.meta.url).href;

/** What a test file does, in a process of its own: it starts a browser and shows it a page. */
const SHOW = `
  import { launch } from ${JSON.stringify(LAUNCH)};
  const browser = await launch({});
  await browser.goto(process.argv[1]);
`;

test("a browser ends with the process that started it", async () => {
  // The page asks for something that never comes, so that its connection lasts as long as the browser.
  const server = createServer((request, response) => {
    if (request.url === "/") response.end("<!doctype html><script>fetch('/never')</script>");
    else if (request.url === "/never") server.emit("asked", request.socket);
    else response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const asked = once(server, "asked");
  const child = spawn(process.execPath, ["--input-type=module", "-e", SHOW, `http://localhost:${server.address().port}`], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [socket] = await asked;
  const closed = once(socket, "close");
  child.kill("SIGKILL");
  await closed;
  server.close();
  server.closeAllConnections();
});
