// Azurite's blob service over TLS, as a process of its own: it takes `spr=https` at its word.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";

/** The account that every Azurite has. */
export const ACCOUNT = "devstoreaccount1";
export const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
export const OWNER = new StorageSharedKeyCredential(ACCOUNT, KEY);
/** A second try would hide a failure. */
export const ONCE = { retryOptions: { maxTries: 1 } };

const PROGRAM = fileURLToPath(new URL("node_modules/.bin/azurite-blob", import.meta.url));

/** Starts it with `certificate.pem` and `key.pem` of a folder: its address, a client with the account's key, and its end. */
export async function startAzurite(folder) {
  const tls = ["--cert", `${folder}/certificate.pem`, "--key", `${folder}/key.pem`];
  // The client speaks a newer version than Azurite knows; a SAS has a version of its own.
  const options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"];
  const child = spawn(PROGRAM, ["--blobHost", "127.0.0.1", "--blobPort", "0", ...tls, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  process.once("exit", () => child.kill());
  let origin;
  for await (const line of createInterface({ input: child.stdout })) {
    origin = /successfully listen(?:s|ing) (?:at|on) (https:\/\/[^\s/]+)/.exec(line)?.[1];
    if (origin) break;
  }
  assert.ok(origin, "Azurite has ended; it says why above");
  child.stdout.resume();
  const service = `${origin}/${ACCOUNT}`;
  const stop = async () => {
    child.kill();
    await ended;
  };
  return { origin, service, owner: new BlobServiceClient(service, OWNER, ONCE), stop };
}
