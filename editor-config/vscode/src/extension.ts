// codelm in VS Code: finds the server or installs it, starts it, and shows how it is.

import * as vscode from "vscode";

import { Client } from "./client.ts";
import { commands } from "./commands.ts";
import { broughtAlong, findPython, findServer, makeOwn, pythons } from "./environment.ts";
import { serverSettings } from "./settings.ts";
import { statusBar } from "./statusBar.ts";

const INSTALL = "Install", CHOOSE = "Choose a Python…";

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("codelm", { log: true });
  const client = new Client(log);
  const own = vscode.Uri.joinPath(context.globalStorageUri, "environment").fsPath;
  const server = context.asAbsolutePath("dist/server");

  const restart = async (): Promise<void> => {
    const command = await findServer({ ...serverSettings(), own });
    await client.start(command);
    if (command === undefined) void offerToInstall();
  };

  const install = async (): Promise<void> => {
    const python = await findPython(pythons());
    if (python === undefined) {
      throw new Error("no Python 3.11 or newer with its venv module was found; install one, or choose one that has codelm");
    }
    await client.stop(); // its files may be in use
    await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: "Installing codelm's server", cancellable: true },
      async (progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        const report = (line: string): void => {
          log.info(line);
          progress.report({ message: line.length > 80 ? `${line.slice(0, 80)}…` : line });
        };
        const requirement = serverSettings().package || (await broughtAlong(server)) || "codelm";
        await makeOwn(own, python, requirement, report, abort.signal);
      },
    ).then(undefined, (error: unknown) => {
      log.error(String(error));
      throw error;
    }).then(restart, async (error: unknown) => {
      await restart();
      throw error;
    });
  };

  context.subscriptions.push(
    log, client, statusBar(client), commands(client, log, { restart, install }),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("codelm.server")) await restart();
    }),
    // What the folder's settings name counts from now on.
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
  );
  await restart();
}

/** Ask whether the server may be installed: nothing is fetched before the user agrees. */
async function offerToInstall(): Promise<void> {
  const answer = await vscode.window.showInformationMessage(
    "codelm completes in a small program of its own, which is not installed yet. It can be installed into a folder of the extension's, with the libraries that it needs from PyPI; it runs on your computer and sends nothing anywhere.",
    INSTALL, CHOOSE, "Not Now",
  );
  if (answer === INSTALL) await vscode.commands.executeCommand("codelm.installServer");
  else if (answer === CHOOSE) await vscode.commands.executeCommand("codelm.chooseInterpreter");
}
