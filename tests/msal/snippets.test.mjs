// Code in the documentation is the code that the tests run: `<!-- FILE -->` before a block says which file it is.
// `WRITE=1 node --test snippets.test.mjs` copies the files into the documentation.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENTS = ["docs/clients.md", "examples/spa/README.md"];
const BLOCK = /<!-- (\S+) -->\n```(\w+)\n([\s\S]*?)```/g;

for (const document of DOCUMENTS) {
  test(`${document} shows the files as they are`, () => {
    const text = readFileSync(join(ROOT, document), "utf8");
    assert.match(text, BLOCK, "no block names its file");
    const expected = text.replace(BLOCK, (_, file, language) => {
      return `<!-- ${file} -->\n\`\`\`${language}\n${readFileSync(join(ROOT, file), "utf8")}\`\`\``;
    });
    if (process.env.WRITE) writeFileSync(join(ROOT, document), expected);
    else assert.equal(text, expected);
  });
}
