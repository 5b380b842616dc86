import { execa } from 'execa'
import { realpathSync } from 'node:fs'
import { shivBin, type OwnShiv } from './own-shiv.ts'

/** How a command that ought to fail ended. */
export interface Failed {
  exit: number | undefined
  /** Of its last error: what it is about, after the faults that led to it. */
  code: string | undefined
  hint: string | undefined
  stdout: string
  /** Without what differs from run to run: folders, pids, times. */
  stderr: string
}

export interface FailOptions {
  cwd?: string
  env?: Record<string, string | undefined>
}

/** Runs `shiv WORDS` as a person without a terminal would, and reads the error that it prints. */
export async function runFailing(own: OwnShiv, words: string[], options: FailOptions = {}): Promise<Failed> {
  const result = await execa(process.execPath, [shivBin, ...words], {
    cwd: options.cwd ?? own.folder,
    env: { ...own.env, ...options.env },
    stdin: 'ignore',
    reject: false,
  })
  const stderr = plain(String(result.stderr), own)
  return {
    exit: result.exitCode,
    code: [...stderr.matchAll(/^error\[([A-Z_0-9]+)\]/gm)].at(-1)?.[1],
    hint: [...stderr.matchAll(/^ *hint: (.*)$/gm)].at(-1)?.[1],
    stdout: String(result.stdout),
    stderr,
  }
}

function plain(text: string, own: OwnShiv): string {
  return text
    .replaceAll(realpathSync(own.folder), 'FOLDER')
    .replaceAll(own.folder, 'FOLDER')
    .replaceAll(/\bpid \d+/g, 'pid N')
    .replaceAll(/\b\d+(\.\d+)? m?s\b/g, 'T s')
}
