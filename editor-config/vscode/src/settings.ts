// The extension's own settings. All others are the server's, which asks for them itself.

import * as vscode from "vscode";

const OURS = new Set(["server"]);

export interface ServerSettings {
  command: string[];
  interpreter: string;
  package: string;
}

export function serverSettings(): ServerSettings {
  const settings = vscode.workspace.getConfiguration("codelm.server");
  return {
    command: settings.get<string[]>("command", []),
    interpreter: settings.get<string>("interpreter", ""),
    package: settings.get<string>("package", ""),
  };
}

/** What the server is told of a section's settings: without those that it doesn't know. */
export function withoutOurs(section: unknown): unknown {
  if (typeof section !== "object" || section === null) return section;
  return Object.fromEntries(Object.entries(section).filter(([name]) => !OURS.has(name)));
}
