// A blob SAS does what it says and nothing else: Azurite, over TLS, with Azure's own client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import {
  BlobSASPermissions,
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
} from "@azure/storage-blob";

import { ACCOUNT, KEY, ONCE, OWNER, startAzurite } from "./azurite.mjs";
import { Lab } from "./lab.mjs";

const ODD = "2026/ü#1?+%20.jpg";

let lab, azurite;

before(async () => {
  lab = await Lab.start();
  azurite = await startAzurite(process.env.TLS);
  for (const name of ["photos", "other"]) {
    const container = azurite.owner.getContainerClient(name);
    await container.create();
    for (const blob of ["cat.jpg", ODD]) await container.getBlockBlobClient(blob).upload("meow", 4);
  }
});

after(async () => {
  await azurite.stop();
  await lab.stop();
});

const photos = (sas, container = "photos") =>
  new BlobServiceClient(`${azurite.service}?${sas}`, undefined, ONCE).getContainerClient(container);
const read = (sas, blob = "cat.jpg", container) => photos(sas, container).getBlobClient(blob).downloadToBuffer();
const write = (sas, blob) => photos(sas).getBlockBlobClient(blob).upload("new!", 4);
const list = async (sas) => {
  const names = [];
  for await (const { name } of photos(sas).listBlobsFlat()) names.push(name);
  return names;
};
const refuses = (promise) => assert.rejects(promise, { statusCode: 403 });

/** What the handler gives, which the client's own function has to make too, to the last byte. */
async function sasFor(path, allow, options) {
  const give = `blob-sas account=${ACCOUNT} path=${path} allow=${allow} ttl=600`;
  const { value, contentType, attributes } = await lab.giving(give, KEY, options);
  assert.equal(contentType, "application/vnd.ms-sastoken-storage");
  const [containerName, ...rest] = path.split("/");
  const blobName = rest.join("/") || undefined;
  const permissions = (blobName ? BlobSASPermissions : ContainerSASPermissions).parse(allow);
  const protocol = SASProtocol.Https;
  const expiresOn = new Date(attributes.exp * 1000);
  const own = { containerName, blobName, permissions, protocol, expiresOn, version: "2022-11-02" };
  assert.equal(value, generateBlobSASQueryParameters(own, OWNER).toString());
  return value;
}

test("a SAS for a blob reads that blob", async () => {
  const sas = await sasFor("photos/cat.jpg", "r");
  assert.equal(String(await read(sas)), "meow");
  await refuses(read(sas, ODD));
  await refuses(read(sas, "cat.jpg", "other"));
  await refuses(write(sas, "cat.jpg"));
  await refuses(list(sas));
});

test("a name that a URL has to escape is one", async () => {
  assert.equal(String(await read(await sasFor(`photos/${ODD}`, "r"), ODD)), "meow");
});

test("a SAS for a container reads all of it, and lists it only with l", async () => {
  const sas = await sasFor("photos", "r");
  assert.equal(String(await read(sas, ODD)), "meow");
  await refuses(list(sas));
  await refuses(write(sas, "dog.jpg"));
  await refuses(read(sas, "cat.jpg", "other"));
  assert.deepEqual(await list(await sasFor("photos", "rl")), [ODD, "cat.jpg"]);
});

test("c creates and does not replace, w replaces", async () => {
  const creating = await sasFor("photos/upload.bin", "c");
  await write(creating, "upload.bin");
  await assert.rejects(write(creating, "upload.bin"), ({ statusCode }) => statusCode === 403 || statusCode === 409);
  await refuses(read(creating, "upload.bin"));
  await write(await sasFor("photos/upload.bin", "rcw"), "upload.bin");
});

test("a SAS that is changed is no SAS", async () => {
  const sas = await sasFor("photos/cat.jpg", "r");
  const later = new URLSearchParams(sas);
  later.set("se", "2037-01-01T00:00:00Z");
  for (const changed of [sas.replace("sp=r", "sp=rw"), sas.replace("sr=b", "sr=c"), String(later)]) {
    await refuses(read(changed));
  }
});

test("a SAS ends, and no later than its key", async () => {
  const expires = Math.floor(Date.now() / 1000) + 3;
  const sas = await sasFor("photos/cat.jpg", "r", { expires });
  assert.equal(String(await read(sas)), "meow");
  await setTimeout(expires * 1000 - Date.now() + 1000);
  await refuses(read(sas));
});
