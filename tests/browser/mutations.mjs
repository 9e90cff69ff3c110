// Takes each response header away from the handler in turn and runs the suite: some test has to fail. Run by hand, for
// some minutes: `node mutations.mjs`, or `node mutations.mjs vary` for one header.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const HEADERS = [
  "access-control-allow-origin",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-allow-credentials",
  "access-control-expose-headers",
  "access-control-max-age",
  "cache-control",
  "content-type",
  "cross-origin-resource-policy",
  "retry-after",
  "vary",
  "www-authenticate",
  "x-content-type-options",
  "x-ms-client-request-id",
  "x-ms-request-id",
];

const FILES = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.mjs"));

/** Runs the suite without one header, as far as the first file with a failure; returns what failed there. */
function firstFailure(header) {
  for (const file of FILES) {
    const { stdout } = spawnSync(process.execPath, ["--test", "--test-reporter=tap", file], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      env: { ...process.env, STRIP: header },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const failure = /^ *not ok \d+ - (.*)/m.exec(stdout);
    if (failure) return `${file}: ${failure[1]}`;
  }
  return undefined;
}

const headers = process.argv.length > 2 ? process.argv.slice(2) : HEADERS;
let missed = 0;
for (const header of headers) {
  const failure = firstFailure(header);
  console.log(failure ? `caught  ${header}: ${failure}` : `MISSED  ${header}`);
  missed += failure ? 0 : 1;
}
process.exitCode = missed ? 1 : 0;
