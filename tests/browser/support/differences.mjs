// Where the engines differ, as these tests see it. docs/browsers.md says the same to people, with the causes.

import { ENGINE } from "./engines.mjs";

/** By subject: what is expected of each engine, as a value or a function of what the test knows. */
const DIFFERENCES = {
  "missing header": {
    chromium: (name) => `Request header field ${name} is not allowed by Access-Control-Allow-Headers in preflight response`,
    firefox: (name) => `header ‘${name}’ is not allowed according to header ‘Access-Control-Allow-Headers’`,
    webkit: null,
  },
  "missing method": {
    chromium: (name) => `Method ${name} is not allowed by Access-Control-Allow-Methods in preflight response`,
    firefox: "Did not find method in CORS header ‘Access-Control-Allow-Methods’",
    webkit: null,
  },
  "refused origin": {
    chromium: "No 'Access-Control-Allow-Origin' header is present on the requested resource",
    firefox: "CORS header ‘Access-Control-Allow-Origin’ missing",
    webkit: null,
  },
  "kept answer": { chromium: ["GET"], firefox: ["GET"], webkit: ["GET", "GET"] },
};

/** What this engine does where the engines differ. */
export function differing(subject, ...known) {
  const expected = DIFFERENCES[subject][ENGINE];
  return typeof expected === "function" ? expected(...known) : expected;
}
