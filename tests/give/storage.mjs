// A storage account with one image, for `cargo run --example demo -- --image`: node storage.mjs TLS IMAGE
//
// TLS is a folder with `certificate.pem` and `key.pem`, whose authority NODE_EXTRA_CA_CERTS names; IMAGE is an SVG file. The one
// line on stdout says where the image is, and what a rule needs to give a SAS for it. Ends with its input.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { basename } from "node:path";
import tls from "node:tls";

import { ACCOUNT, KEY, startAzurite } from "./azurite.mjs";

const CONTAINER = "photos";

process.stdin.resume().once("end", () => process.exit());
// A signal ends a process without its "exit" event, and Azurite would stay.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const [folder, file] = process.argv.slice(2);
const azurite = await startAzurite(folder);
const container = azurite.owner.getContainerClient(CONTAINER);
await container.create();
const image = await readFile(file);
const blob = basename(file);
const blobHTTPHeaders = { blobContentType: "image/svg+xml" };
await container.getBlockBlobClient(blob).upload(image, image.length, { blobHTTPHeaders });

// No browser trusts this certificate, and one that does not trust an image's address shows no image and asks nobody. So
// there is a port without TLS for browsers; what it takes goes on over TLS.
const { hostname: host, port } = new URL(azurite.origin);
const front = createServer((browser) => {
  const storage = tls.connect({ host, port });
  browser.pipe(storage).pipe(browser);
  browser.on("error", () => storage.destroy());
  storage.on("error", () => browser.destroy());
});
front.listen(0, "127.0.0.1");
await once(front, "listening");

const path = `${CONTAINER}/${blob}`;
const address = `http://localhost:${front.address().port}/${ACCOUNT}/${path}`;
console.log(JSON.stringify({ address, account: ACCOUNT, path, key: KEY }));
