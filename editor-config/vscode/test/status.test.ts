import assert from "node:assert/strict";
import { test } from "node:test";

import { lines, type Server, shown, type Status } from "../src/status.ts";

function status(changes: { [Key in keyof Status]?: Partial<Status[Key]> | Status[Key] } = {}): Status {
  const all: Status = {
    version: "1.0", enabled: true, paused: false,
    model: { name: "the bundled model", folder: "", state: "ready", problem: "" },
    network: { state: "ready", device: "cpu", problem: "" },
    workspace: { state: "ready", files: 12, words: 34567, done: 0, total: 0 },
  };
  for (const [key, change] of Object.entries(changes)) {
    const old = all[key as keyof Status];
    Object.assign(all, { [key]: typeof old === "object" ? { ...old, ...(change as object) } : change });
  }
  return all;
}

test("a server that is ready tells its model, its device and what it knows", () => {
  const { text, tooltip, problem } = shown(status());
  assert.equal(text, "$(sparkle) codelm");
  assert.deepEqual(tooltip, [
    "Model: the bundled model", "Network: on the processor", "Workspace: 34,567 words of 12 files", "Version 1.0",
  ]);
  assert.equal(problem, false);
});

test("while it reads the workspace it tells how far it is", () => {
  const { text, tooltip } = shown(status({ workspace: { state: "reading", done: 250, total: 1000 } }));
  assert.equal(text, "$(loading~spin) codelm 25 %");
  assert.ok(tooltip.includes("Workspace: reading 250 of 1,000 files"));
});

test("what it can't do is a problem, with its reason", () => {
  for (const broken of [
    status({ model: { state: "failed", problem: "no such folder" } }),
    status({ network: { state: "failed", problem: "no such folder" } }),
  ]) {
    const { text, tooltip, problem } = shown(broken);
    assert.equal(text, "$(warning) codelm");
    assert.ok(tooltip.join("\n").includes("no such folder"));
    assert.ok(problem);
  }
});

test("paused and off look different from on", () => {
  assert.equal(shown(status({ paused: true })).text, "$(debug-pause) codelm");
  assert.equal(shown(status({ enabled: false })).text, "$(circle-slash) codelm");
  assert.ok(lines(status({ paused: true }))[0]?.startsWith("Paused"));
  assert.ok(lines(status({ enabled: false }))[0]?.startsWith("Off"));
});

test("a device that the user asked for and did not get is told", () => {
  const told = lines(status({ network: { problem: "the network runs on the CPU: no CUDA" } }));
  assert.ok(told.includes("Network: on the processor (the network runs on the CPU: no CUDA)"));
});

test("a server that says nothing is told of all the same", () => {
  const all: Server[] = ["missing", "starting", "failed", "stopped"];
  assert.equal(new Set(all.map((server) => shown(server).text)).size, all.length);
  assert.deepEqual(all.filter((server) => shown(server).problem), ["missing", "failed"]);
});
