// The item in the status bar.

import * as vscode from "vscode";

import type { Client } from "./client.ts";
import { type Server, shown } from "./status.ts";

export function statusBar(client: Client): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("codelm.status", vscode.StatusBarAlignment.Right, 100);
  item.name = "codelm";
  item.command = "codelm.showStatus";
  const show = (server: Server): void => {
    const { text, tooltip, problem } = shown(server);
    item.text = text;
    item.tooltip = tooltip.join("\n");
    item.backgroundColor = problem ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    item.show();
  };
  show(client.now);
  return vscode.Disposable.from(item, client.onChange(show));
}
