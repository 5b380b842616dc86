import { execa, type Options } from 'execa'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { RunStatus, StatusResult } from '../../src/wire/messages.ts'
import { dirname, join } from 'node:path'

/** A shiv of one test's or bench's own: own home, own daemon, nothing shared with the user's. */
export interface OwnShiv {
  home: string
  folder: string
  env: Record<string, string>
  /** Runs `shiv ARGS` to its end; throws with its output when it does not end with 0. */
  shiv(args: string[], options?: Options): Promise<string>
  close(): Promise<void>
}

const bin = join(import.meta.dirname, '..', '..', 'bin', 'shiv.js')

/** Path of the command, for measures that spawn it themselves. */
export const shivBin = bin

export async function openShiv(name: string): Promise<OwnShiv> {
  const folder = await mkdtemp(join(tmpdir(), `shiv-${name}-`))
  const home = join(folder, 'home')
  await mkdir(home, { mode: 0o700 })
  const env = { SHIV_HOME: home, NO_COLOR: '1' }
  const shiv = async (args: string[], options: Options = {}) => {
    const result = await execa(process.execPath, [bin, ...args], { cwd: folder, env, stdin: 'ignore', all: true, ...options })
    return String(result.stdout)
  }
  return {
    home,
    folder,
    env,
    shiv,
    close: async () => {
      await shiv(['daemon', 'stop'], { reject: false })
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Writes files below `root`, creating folders. */
export async function writeTree(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}

/** A Node service without dependencies, as small as one can be: what is measured around it is not it. */
export function tinyService(name: string, extra = ''): Record<string, string> {
  return {
    [`${name}/service.yaml`]: `name: ${name}\nlanguage: node\ncommand: [node, server.js]\nscaling: { min_replicas: 1, max_replicas: 1 }\nobservability: { logging: plain }\n${extra}`,
    [`${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', private: true, type: 'module' }),
    [`${name}/package-lock.json`]: JSON.stringify({
      name,
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name, version: '1.0.0' } },
    }),
    [`${name}/server.js`]:
      "import { createServer } from 'node:http'\nconst server = createServer((_, response) => response.end('ok')).listen(process.env.PORT)\nprocess.on('SIGTERM', () => server.close(() => process.exit(0)))\n",
  }
}

/** What `shiv status` says of the only run of the folder. */
export async function readRun(own: OwnShiv, cwd: string, flags: string[] = []): Promise<RunStatus> {
  const { runs } = JSON.parse(await own.shiv(['status', '--json', ...flags], { cwd })) as StatusResult
  if (runs.length !== 1) throw new Error(`${runs.length} runs where one was expected`)
  return runs[0]!
}
