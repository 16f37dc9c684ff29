// Where the server is: which command starts it, and how the extension's own environment is made.

import { execFile, spawn } from "node:child_process";
import { access, constants, readdir, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Command {
  command: string;
  args: string[];
  /** In a few words, for the log. */
  from: string;
}

export interface Wanted {
  /** `codelm.server.command`. */
  command: string[];
  /** `codelm.server.interpreter`. */
  interpreter: string;
  /** The folder of the extension's own environment. */
  own: string;
}

/** The command that starts the server, without `--stdio`; undefined where there is none. */
export async function findServer(wanted: Wanted, path = process.env["PATH"] ?? ""): Promise<Command | undefined> {
  const [program, ...args] = wanted.command;
  if (program !== undefined) return { command: program, args, from: "the setting codelm.server.command" };
  if (wanted.interpreter) return byInterpreter(wanted.interpreter, "the setting codelm.server.interpreter");
  for (const folder of path.split(delimiter).filter(Boolean)) {
    const command = join(folder, executable("codelm-lsp"));
    if (await isExecutable(command)) return { command, args: [], from: "the PATH" };
  }
  const own = interpreterIn(wanted.own);
  return (await isExecutable(own)) && (await hasCodelm(own)) ? byInterpreter(own, "the extension's own environment") : undefined;
}

function byInterpreter(interpreter: string, from: string): Command {
  return { command: interpreter, args: ["-m", "codelm.cli"], from };
}

/** The first Python of some names or paths that is new enough and can make environments; undefined if none is. */
export async function findPython(candidates: string[]): Promise<string | undefined> {
  for (const python of candidates.filter(Boolean)) {
    const check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    if (await succeeds(python, ["-c", check])) return python;
  }
  return undefined;
}

/** Pythons to look for on the PATH, the likeliest first. */
export function pythons(platform = process.platform): string[] {
  const versions = ["3.13", "3.12", "3.11", "3.14"].map((version) => `python${version}`);
  return platform === "win32" ? ["py", "python"] : ["python3", ...versions, "python"];
}

/** Make the extension's own environment anew, with a package in it; `report` is given each line that pip prints.
 *
 * What was there before is gone only when the new one works. Throws an error that says what failed.
 */
export async function makeOwn(
  folder: string, python: string, requirement: string, report: (line: string) => void, signal: AbortSignal,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  try {
    report(`making an environment with ${python}`);
    await follow(python, ["-m", "venv", folder], report, signal);
    const interpreter = interpreterIn(folder);
    await follow(interpreter, ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", requirement], report, signal);
    if (!(await hasCodelm(interpreter))) throw new Error(`${requirement} was installed, but it is not codelm`);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The wheel of the server that the extension brings along in a folder; undefined where it was packed without. */
export async function broughtAlong(folder: string): Promise<string | undefined> {
  const files = await readdir(folder).catch(() => []);
  const wheel = files.find((file) => file.endsWith(".whl"));
  return wheel === undefined ? undefined : join(folder, wheel);
}

/** Whether codelm can be imported by a Python. */
export async function hasCodelm(interpreter: string): Promise<boolean> {
  return succeeds(interpreter, ["-c", "import codelm.cli"]);
}

export function interpreterIn(environment: string, platform = process.platform): string {
  return platform === "win32" ? join(environment, "Scripts", "python.exe") : join(environment, "bin", "python");
}

function executable(name: string): string {
  return process.platform === "win32" ? `${name}.exe` : name;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(() => true, () => false);
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  return run(command, args, { timeout: 60_000 }).then(() => true, () => false);
}

function follow(command: string, args: string[], report: (line: string) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { signal, stdio: ["ignore", "pipe", "pipe"] });
    let last = "";
    const take = (data: Buffer): void => {
      for (const line of data.toString().split(/\r?\n/).filter((text) => text.trim())) {
        last = line.trim();
        report(last);
      }
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.slice(0, 3).join(" ")} failed: ${last || `status ${code}`}`));
    });
  });
}
