// The least extension that starts a language server: what Pylance, Pyrefly or ty are to a user who adds codelm.

import * as vscode from "vscode";
import { LanguageClient } from "vscode-languageclient/node";

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const [command = "", ...args] = vscode.workspace.getConfiguration("anotherServer").get<string[]>("command", []);
  const options = { documentSelector: [{ scheme: "file", language: "python" }] };
  const client = new LanguageClient("anotherServer", "Another language server", { command, args }, options);
  const item = vscode.window.createStatusBarItem("ready");
  context.subscriptions.push(client, item);
  await client.start();
  item.text = "$(check-all)";
  item.show();
}
