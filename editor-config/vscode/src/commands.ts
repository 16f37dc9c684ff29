// What the user can have codelm do.

import * as vscode from "vscode";

import type { Client } from "./client.ts";
import { lines, shown } from "./status.ts";

export interface Actions {
  restart(): Promise<void>;
  install(): Promise<void>;
}

export function commands(client: Client, log: vscode.LogOutputChannel, actions: Actions): vscode.Disposable {
  const register = (name: string, action: () => Promise<unknown>): vscode.Disposable =>
    vscode.commands.registerCommand(`codelm.${name}`, async () => {
      try {
        await action();
      } catch (error) {
        void vscode.window.showErrorMessage(`codelm: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
  return vscode.Disposable.from(
    register("showStatus", () => showStatus(client)),
    register("togglePause", () => togglePause(client)),
    register("restartServer", actions.restart),
    register("installServer", actions.install),
    register("chooseModel", chooseModel),
    register("chooseInterpreter", chooseInterpreter),
    register("indexWorkspace", () => client.execute("codelm.learn", "workspace")),
    register("forgetFile", () => forgetFile(client)),
    register("forgetWorkspace", () => forget(client, "workspace", "what it learned from this workspace")),
    register("forgetAll", () => forget(client, "all", "what it learned from all workspaces")),
    register("showStatistics", () => showStatistics(client, log)),
    register("showLog", async () => log.show()),
  );
}

interface Choice extends vscode.QuickPickItem {
  command?: string;
}

/** Show how codelm is, and what can be done about it. */
async function showStatus(client: Client): Promise<void> {
  const server = client.now;
  const known = typeof server !== "string";
  const said: Choice[] = (known ? lines(server) : shown(server).tooltip).map((label) => ({ label }));
  const paused = known && server.paused;
  const choices: Choice[] = [
    ...said,
    { label: "", kind: vscode.QuickPickItemKind.Separator },
    ...(server === "missing" ? [{ label: "$(cloud-download) Install the server", command: "installServer" }] : []),
    ...(known
      ? [{ label: paused ? "$(debug-start) Resume" : "$(debug-pause) Pause", command: "togglePause" }]
      : []),
    { label: "$(debug-restart) Restart the server", command: "restartServer" },
    { label: "$(folder) Choose the model…", command: "chooseModel" },
    { label: "$(trash) Forget this workspace…", command: "forgetWorkspace" },
    { label: "$(output) Show the log", command: "showLog" },
  ];
  const chosen = await vscode.window.showQuickPick(choices, { title: "codelm" });
  if (chosen?.command) await vscode.commands.executeCommand(`codelm.${chosen.command}`);
}

interface Counted {
  enabled: boolean;
  file: string;
  days: Record<string, Record<string, { accepted: number; characters: number }>>;
}

/** Show what was counted, in the log's channel: a table would be too much for a few numbers. */
async function showStatistics(client: Client, log: vscode.LogOutputChannel): Promise<void> {
  const { enabled, file, days } = await client.execute<Counted>("codelm.statistics");
  if (!enabled && Object.keys(days).length === 0) {
    throw new Error("nothing is counted: the setting codelm.statistics.enabled is off");
  }
  log.info(`statistics, kept in ${file}:`);
  for (const [day, kinds] of Object.entries(days)) {
    for (const [kind, { accepted, characters }] of Object.entries(kinds)) {
      log.info(`${day}  ${kind === "list" ? "items of the list" : "ghost text"}: ${accepted} accepted, ${characters} characters`);
    }
  }
  log.show();
}

async function togglePause(client: Client): Promise<void> {
  const server = client.now;
  const paused = typeof server !== "string" && server.paused;
  await client.execute(paused ? "codelm.resume" : "codelm.pause");
}

async function chooseModel(): Promise<void> {
  const bundled = "Use the bundled model";
  const answer = await vscode.window.showQuickPick(["Choose a folder…", bundled], { title: "codelm: the model" });
  if (answer === undefined) return;
  const folder = answer === bundled ? "" : await chosenPath("The folder of a checkpoint", { folders: true });
  if (folder !== undefined) await setting("model", folder);
}

async function chooseInterpreter(): Promise<void> {
  const interpreter = await chosenPath("A Python that codelm is installed in", { folders: false });
  if (interpreter !== undefined) await setting("server.interpreter", interpreter);
}

async function chosenPath(title: string, { folders }: { folders: boolean }): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title, canSelectFiles: !folders, canSelectFolders: folders, canSelectMany: false,
  });
  return chosen?.[0]?.fsPath;
}

async function setting(name: string, value: string): Promise<void> {
  await vscode.workspace.getConfiguration("codelm").update(name, value, vscode.ConfigurationTarget.Global);
}

async function forgetFile(client: Client): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (document === undefined || document.uri.scheme !== "file") throw new Error("no file is shown that could be forgotten");
  await forget(client, "file", "this file", document.uri.toString());
}

/** Forget for good, once the user has agreed. */
async function forget(client: Client, what: string, name: string, ...more: string[]): Promise<void> {
  const agreed = "Forget";
  const answer = await vscode.window.showWarningMessage(
    `Have codelm forget ${name}, and not learn it again?`, { modal: true }, agreed,
  );
  if (answer === agreed) await client.execute("codelm.forget", what, ...more);
}
