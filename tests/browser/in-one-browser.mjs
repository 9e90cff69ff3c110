// Starts a browser, and builds the handler, for all processes of a command: node in-one-browser.mjs PROGRAM ARGUMENT...
//
// Each takes as long as many a test file to run. The files open windows in the browser (`launch`), one after the other.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { launch } from "./support/browser.mjs";
import { build } from "./support/lab.mjs";

const EXECUTABLES = JSON.stringify(build());
const browser = await launch();
const [program, ...args] = process.argv.slice(2);
const SHARED_BROWSER = JSON.stringify(browser.shared);
const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, EXECUTABLES, SHARED_BROWSER } });
const [code] = await once(child, "exit");
process.exitCode = code ?? 1;
await browser.close();
