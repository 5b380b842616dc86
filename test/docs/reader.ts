import { execa } from 'execa'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { shivBin, type OwnShiv } from '../support/own-shiv.ts'
import { DECLARED } from './declared.ts'
import type { Block } from './pages.ts'

/** Ends what follows, as Ctrl-C does, once it has printed something. */
const SHIM = `#!${process.execPath}
const { spawn } = require('node:child_process')
const words = process.argv.slice(process.argv[1].endsWith('npx') ? 3 : 2)
if (process.argv[1].endsWith('npx') && process.argv[2] !== 'shiv') throw new Error('only npx shiv is known here')
const follows = words.includes('--follow') || words.includes('-f')
const shiv = spawn(process.execPath, [${JSON.stringify(shivBin)}, ...words], { stdio: ['ignore', follows ? 'pipe' : 'inherit', 'inherit'] })
shiv.stdout?.pipe(process.stdout)
shiv.stdout?.once('data', () => shiv.kill('SIGINT'))
shiv.once('exit', (code) => (process.exitCode = code ?? 1))
`

/** The commands of a block: its lines, of a console block those behind `$ `, without comments and empty lines. */
export function commandsOf({ language, text }: Block): string[] {
  const lines = text.split('\n')
  const typed = language === 'console' ? lines.flatMap((line) => /^\$ (.*)/.exec(line)?.[1] ?? []) : lines
  return typed.map((line) => line.replace(/(^|\s)#.*$/, '').trimEnd()).filter((line) => line.trim() !== '')
}

/** What of a block can be run: each line, less what is declared as run in another way. */
export function scriptOf(block: Block): string[] {
  return commandsOf(block).flatMap((line) => {
    const declared = DECLARED.find((entry) => entry.line === line)
    return declared ? (declared.instead ?? []) : line
  })
}

/** Somebody who reads the docs in a clone, on a machine without a Docker engine, and types what stands there. */
export interface Reader {
  /** Runs lines in one shell that ends at the first failure; the output, both streams. Throws with it. */
  type(lines: string[]): Promise<string>
}

export function seatReader(own: OwnShiv): Reader {
  const bin = join(own.folder, 'bin')
  mkdirSync(bin)
  for (const name of ['shiv', 'npx']) {
    writeFileSync(join(bin, name), SHIM)
    chmodSync(join(bin, name), 0o755)
  }
  // Without this an answer such as 404 would count as success.
  writeFileSync(join(own.folder, '.curlrc'), 'fail-with-body\nsilent\nshow-error\n')
  const env = {
    ...own.env,
    PATH: `${bin}${delimiter}${process.env['PATH']}`,
    CURL_HOME: own.folder,
    DOCKER_HOST: `unix://${join(own.folder, 'no-engine.sock')}`,
    LC_ALL: 'C.UTF-8',
  }
  return {
    async type(lines) {
      const script = `set -euo pipefail\ntrap 'echo "failed: $BASH_COMMAND" >&2' ERR\n${lines.join('\n')}\n`
      const atItsPort = script.replaceAll('localhost:7777', `localhost:${sharedPort(own.home)}`)
      const { all } = await execa('bash', ['-c', atItsPort], { cwd: own.folder, env, stdin: 'ignore', all: true })
      return all
    },
  }
}

/** 7777 unless somebody else of this machine has it. */
function sharedPort(home: string): number {
  const file = join(home, 'front-door.json')
  if (!existsSync(file)) return 7777
  return (JSON.parse(readFileSync(file, 'utf8')) as { ports: { shared: number } }).ports.shared
}
