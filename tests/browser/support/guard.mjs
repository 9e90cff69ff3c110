// Runs a program until this process's input ends, and then ends it with all that it started: node guard.mjs PROGRAM ARGUMENT...
//
// Whoever holds the other end of the input may be killed, which runs no code of theirs but closes the input all the same.

import { spawn } from "node:child_process";

const [program, ...args] = process.argv.slice(2);
// In a process group of its own: a driver that is killed leaves its browser running.
const child = spawn(program, args, { detached: true, stdio: ["ignore", "inherit", "inherit"] });
child.once("error", ({ message }) => {
  console.error(message);
  process.exit(1);
});
child.once("exit", (code) => process.exit(code ?? 1));
process.stdin.resume().once("end", () => process.kill(-child.pid, "SIGKILL"));
// A signal to the whole group of a terminal or a test runner reaches this process too; it has to outlive the other end.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
