import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { broughtAlong, findPython, findServer, hasCodelm, interpreterIn, makeOwn, pythons } from "../src/environment.ts";

const NONE = { command: [], interpreter: "", own: "/nowhere" };

async function folder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "codelm-"));
}

/** Put a program into a folder that does what a line of shell says. */
async function program(at: string, name: string, does: string): Promise<string> {
  const path = join(at, name);
  await mkdir(at, { recursive: true });
  await writeFile(path, `#!/bin/sh\n${does}\n`);
  await chmod(path, 0o755);
  return path;
}

test("the command of the settings goes before all else", async () => {
  const found = await findServer({ ...NONE, command: ["python", "-m", "codelm.cli"], interpreter: "/python" }, "");
  assert.deepEqual([found?.command, found?.args], ["python", ["-m", "codelm.cli"]]);
});

test("then the interpreter of the settings, then what is on the PATH, then the extension's own", async () => {
  const path = await folder(), own = await folder();
  assert.equal(await findServer({ ...NONE, own }, path), undefined);
  const python = await program(join(own, "bin"), "python", "exit 0");
  assert.equal((await findServer({ ...NONE, own }, path))?.command, python);
  const server = await program(path, "codelm-lsp", "exit 0");
  assert.equal((await findServer({ ...NONE, own }, `/nowhere:${path}`))?.command, server);
  assert.equal((await findServer({ ...NONE, own, interpreter: "/python" }, path))?.command, "/python");
});

test("an environment of its own that lacks codelm is none", async () => {
  const own = await folder();
  await program(join(own, "bin"), "python", "exit 1");
  assert.equal(await findServer({ ...NONE, own }, ""), undefined);
});

test("a Python that is too old, or that can't make environments, is passed over", async () => {
  const at = await folder();
  const old = await program(at, "old", "exit 1"), good = await program(at, "good", "exit 0");
  assert.equal(await findPython([join(at, "missing"), "", old, good]), good);
  assert.equal(await findPython([old]), undefined);
  assert.ok(pythons("win32").includes("py"));
  assert.equal(interpreterIn("env", "win32"), join("env", "Scripts", "python.exe"));
});

test("an environment that can't be made is gone, and the reason is told", async () => {
  const at = await folder(), own = join(at, "environment"), told: string[] = [];
  const python = await program(at, "python", 'mkdir -p "$3/bin"; echo "no room left" >&2; exit 1');
  const making = makeOwn(own, python, "codelm", (line) => told.push(line), new AbortController().signal);
  await assert.rejects(making, /no room left/);
  assert.ok(told.includes("no room left"));
  assert.deepEqual(await readdir(at), ["python"]);
});

test("what is installed has to be codelm", async () => {
  const at = await folder(), own = join(at, "environment");
  const inside = 'case "$1" in -c) exit 1;; esac; exit 0';
  const python = await program(at, "python", `mkdir -p "$3/bin"; printf '#!/bin/sh\\n${inside}\\n' > "$3/bin/python"; chmod +x "$3/bin/python"`);
  await assert.rejects(makeOwn(own, python, "something", () => {}, new AbortController().signal), /it is not codelm/);
  assert.equal(await hasCodelm(interpreterIn(own)), false);
});

test("the wheel that comes with the extension is found where there is one", async () => {
  const at = await folder();
  assert.equal(await broughtAlong(join(at, "nothing")), undefined);
  await writeFile(join(at, "codelm-0.1.0-py3-none-any.whl"), "");
  assert.equal(await broughtAlong(at), join(at, "codelm-0.1.0-py3-none-any.whl"));
});
