// docs/browsers.md says of the engines what these tests expect of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { DIFFERENCES } from "./support/differences.mjs";
import { ENGINE, ENGINES } from "./support/engines.mjs";
import { ROOT } from "./support/lab.mjs";

/** The rows of all tables that have a column for an engine: their first cells, and what they say by engine. */
function rows() {
  const found = new Map();
  let columns;
  for (const line of readFileSync(`${ROOT}/docs/browsers.md`, "utf8").split("\n")) {
    const cells = /^\| (.*) \|$/.exec(line)?.[1].split(" | ");
    if (!cells) columns = undefined;
    else if (!columns) columns = cells.map((cell) => cell.toLowerCase());
    else if (cells[0] !== "---") {
      const engines = columns.map((name, at) => [name, cells[at]]).filter(([name]) => name in ENGINES);
      if (engines.length) found.set(cells[0], Object.fromEntries(engines));
    }
  }
  return found;
}

test("what is expected of this engine is what the documentation says", () => {
  const documented = rows();
  for (const { row, name, [ENGINE]: expected } of Object.values(DIFFERENCES)) {
    const said = documented.get(row)?.[ENGINE]?.replaceAll("`", "");
    if (expected === null) assert.equal(said, undefined, row);
    else assert.ok(said?.startsWith(typeof expected === "function" ? expected(name) : expected), `${row}: ${said}`);
  }
});

test("the documentation names no other difference", () => {
  const differing = [...rows()].filter(([, said]) => new Set(Object.values(said)).size > 1).map(([row]) => row);
  assert.deepEqual(differing.sort(), Object.values(DIFFERENCES).map(({ row }) => row).sort());
});
