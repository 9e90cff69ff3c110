// Where the engines differ, as these tests see it. docs/browsers.md tells people, with the causes, and
// differences.test.mjs holds the two together.

import { ENGINE } from "./engines.mjs";

/**
 * By subject: the row of docs/browsers.md, and how its cell for each engine begins; `null` where there is nothing to see.
 * What a console says is a function of a name, and in the documentation that is `name`.
 */
export const DIFFERENCES = {
  "missing header": {
    row: "a header",
    name: "x-other",
    chromium: (name) => `Request header field ${name} is not allowed by Access-Control-Allow-Headers in preflight response`,
    firefox: (name) => `header ‘${name}’ is not allowed according to header ‘Access-Control-Allow-Headers’`,
    webkit: null,
  },
  "missing method": {
    row: "a method",
    name: "PUT",
    chromium: (name) => `Method ${name} is not allowed by Access-Control-Allow-Methods in preflight response`,
    firefox: () => "Did not find method in CORS header ‘Access-Control-Allow-Methods’",
    webkit: null,
  },
  "refused origin": {
    row: "the origin",
    chromium: () => "No 'Access-Control-Allow-Origin' header is present on the requested resource",
    firefox: () => "CORS header ‘Access-Control-Allow-Origin’ missing",
    webkit: null,
  },
  "public page": {
    row: "`https://` on the public web",
    chromium: "asks the person first",
    firefox: "asks the person first",
    webkit: "blocked",
  },
  "first preflights": {
    row: "a preflight in the first moments after the browser's start",
    chromium: "remembered",
    firefox: "asked again",
    webkit: "remembered",
  },
  "preflight for another request": {
    row: "a preflight that did not cover the request",
    chromium: "asked again",
    firefox: "asked again",
    webkit: "remembered",
  },
  "kept answer": {
    row: "an answer that a proxy made cacheable (`max-age` in place of `no-store`)",
    chromium: "kept",
    firefox: "kept",
    webkit: "not kept",
  },
  "layout shift": { row: "layout shift", chromium: "measured", firefox: "no such API", webkit: "no such API" },
};

/** What this engine does where the engines differ. */
export function differing(subject, name) {
  const expected = DIFFERENCES[subject][ENGINE];
  return typeof expected === "function" ? expected(name) : expected;
}
