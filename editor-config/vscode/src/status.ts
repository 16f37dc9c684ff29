// What the server says of itself (`codelm/status`), in the words that the status bar shows. Nothing here knows VS Code.

/** As `codelm.lsp.status` sends it. */
export interface Status {
  version: string;
  enabled: boolean;
  paused: boolean;
  model: { name: string; folder: string; state: "none" | "loading" | "ready" | "failed"; problem: string };
  network: { state: "none" | "loading" | "ready" | "failed"; device: string; problem: string };
  workspace: { state: "off" | "reading" | "ready" | "forgotten"; files: number; words: number; done: number; total: number };
}

/** What the client knows of a server that says nothing itself. */
export type Server = "missing" | "starting" | "failed" | "stopped" | Status;

export interface Shown {
  text: string;
  tooltip: string[];
  problem: boolean;
}

const NAME = "codelm";

/** How a server is shown in the status bar: an icon and a few letters, and lines that say more. */
export function shown(server: Server): Shown {
  switch (server) {
    case "missing":
      return { text: `$(cloud-download) ${NAME}`, tooltip: ["The server is not installed."], problem: true };
    case "starting":
      return { text: `$(loading~spin) ${NAME}`, tooltip: ["The server is starting."], problem: false };
    case "failed":
      return { text: `$(error) ${NAME}`, tooltip: ["The server does not run; its log says why."], problem: true };
    case "stopped":
      return { text: `$(circle-slash) ${NAME}`, tooltip: ["The server was stopped."], problem: false };
    default:
      return { text: `${icon(server)} ${NAME}${progress(server)}`, tooltip: lines(server), problem: isBroken(server) };
  }
}

/** The lines that tell how a server is. */
export function lines(status: Status): string[] {
  return [activity(status), model(status), network(status), workspace(status), `Version ${status.version}`].filter(Boolean);
}

function isBroken(status: Status): boolean {
  return status.model.state === "failed" || status.network.state === "failed";
}

function icon(status: Status): string {
  if (isBroken(status)) return "$(warning)";
  if (!status.enabled) return "$(circle-slash)";
  if (status.paused) return "$(debug-pause)";
  if (status.model.state !== "ready" || status.workspace.state === "reading") return "$(loading~spin)";
  return "$(sparkle)";
}

function progress(status: Status): string {
  const { state, done, total } = status.workspace;
  return state === "reading" && total > 0 ? ` ${Math.floor((100 * done) / total)} %` : "";
}

function activity(status: Status): string {
  if (!status.enabled) return "Off, by the setting codelm.enabled.";
  return status.paused ? "Paused: nothing is proposed or learned." : "";
}

function model(status: Status): string {
  const { name, state, problem } = status.model;
  switch (state) {
    case "ready":
      return `Model: ${name}`;
    case "loading":
      return `Model: loading ${name} …`;
    case "failed":
      return `No model: ${problem}`;
    case "none":
      return "";
  }
}

function network(status: Status): string {
  const { state, device, problem } = status.network;
  switch (state) {
    case "ready":
      return `Network: on ${device === "cpu" ? "the processor" : device}${problem ? ` (${problem})` : ""}`;
    case "loading":
      return "Network: opening …";
    case "failed":
      return problem;
    case "none":
      return "";
  }
}

function workspace(status: Status): string {
  const { state, files, words, done, total } = status.workspace;
  switch (state) {
    case "ready":
      return `Workspace: ${words.toLocaleString("en")} words of ${files.toLocaleString("en")} files`;
    case "reading":
      return `Workspace: reading ${done.toLocaleString("en")} of ${total.toLocaleString("en")} files`;
    case "forgotten":
      return "Workspace: forgotten, and not learned from";
    case "off":
      return "Workspace: not learned from";
  }
}
