// The language client: one server at a time, and what it tells of itself.

import * as vscode from "vscode";
import {
  type ClientCapabilities, LanguageClient, type LanguageClientOptions, State, type StaticFeature, TransportKind,
} from "vscode-languageclient/node";

import type { Command } from "./environment.ts";
import { withoutOurs } from "./settings.ts";
import type { Server, Status } from "./status.ts";

/** Asks to be told of the server's status. */
const wantsStatus: StaticFeature = {
  fillClientCapabilities: (capabilities: ClientCapabilities) => {
    capabilities.experimental = { ...(capabilities.experimental as object | undefined), codelm: { status: true } };
  },
  initialize: () => {},
  getState: () => ({ kind: "static" }),
  clear: () => {},
};

export class Client implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private server: Server = "stopped";
  private readonly changes = new vscode.EventEmitter<Server>();
  /** Fires whenever what is known of the server changes. */
  readonly onChange = this.changes.event;

  constructor(private readonly log: vscode.LogOutputChannel) {}

  get now(): Server {
    return this.server;
  }

  /** Start a server in place of the one that runs; undefined: there is none to start. */
  async start(command: Command | undefined): Promise<void> {
    await this.stop();
    if (command === undefined) {
      this.is("missing");
      return;
    }
    this.log.info(`starting ${command.command} ${command.args.join(" ")}, by ${command.from}`);
    this.is("starting");
    const executable = { command: command.command, args: command.args, transport: TransportKind.stdio };
    const client = (this.client = new LanguageClient("codelm", "codelm", executable, this.options()));
    client.registerFeature(wantsStatus);
    client.onDidChangeState(({ newState }) => {
      if (client !== this.client) return;
      if (newState === State.Starting) this.is("starting");
      else if (newState === State.Stopped) this.is("failed");
    });
    client.onNotification("codelm/status", (status: Status) => {
      if (client === this.client) this.is(status);
    });
    try {
      await client.start();
    } catch (error) {
      this.log.error(`the server did not start: ${String(error)}`);
      if (client === this.client) this.is("failed");
    }
  }

  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client !== undefined) {
      this.is("stopped");
      await client.dispose().catch((error: unknown) => this.log.warn(`the server did not stop in order: ${String(error)}`));
    }
  }

  /** Have the server do a command of its own. Throws what it answers, and where none runs. */
  async execute<T>(command: string, ...args: unknown[]): Promise<T> {
    const client = this.client;
    if (client === undefined || !client.isRunning()) throw new Error("codelm's server does not run.");
    return client.sendRequest<T>("workspace/executeCommand", { command, arguments: args });
  }

  dispose(): Promise<void> {
    this.changes.dispose();
    return this.stop();
  }

  private is(server: Server): void {
    this.server = server;
    this.changes.fire(server);
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [
        { scheme: "file", language: "python" },
        { scheme: "untitled", language: "python" },
        { scheme: "vscode-notebook-cell", language: "python" },
      ],
      outputChannel: this.log,
      middleware: {
        workspace: {
          configuration: async (params, token, next) => {
            const answers = await next(params, token);
            return Array.isArray(answers) ? answers.map(withoutOurs) : answers;
          },
        },
      },
    };
  }
}
