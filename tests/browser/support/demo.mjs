// `cargo run --example demo` as a process.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { ROOT, build } from "./lab.mjs";

/** Starts the demo, and returns the addresses of its two pages with a way to end it. */
export async function startDemo(...options) {
  const child = spawn(build().demo, options, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  let said = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk;
    if (/^Stop with Ctrl-C\.$/m.test(said)) break;
  }
  child.stdout.resume();
  const address = (label) => new RegExp(`^  ${label} +(http://\\S+)`, "m").exec(said)?.[1];
  const stop = async () => {
    child.kill();
    await ended;
  };
  return { allowed: address("Page"), refused: address("Same page"), stop };
}
