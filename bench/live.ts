// `npm run bench:live`: the examples edited while they run on kind under load. Prints the session as `shiv start --follow` wrote it, and what was lost.
import { execa } from 'execa'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { copyExample } from '../test/support/example.ts'
import { openShiv, readRun, shivBin } from '../test/support/own-shiv.ts'
import { deleteCluster, findKind } from './support/kind.ts'
import { beginLoad } from './support/load.ts'

const PER_SECOND = 100
const PATIENCE_MS = 120_000
const cluster = process.env['SHIV_LIVE_CLUSTER'] ?? 'shiv-bench'
const isKept = process.env['SHIV_LIVE_CLUSTER'] !== undefined

interface Edit {
  service: string
  file: string
  from: string
  to: string
}

const EDITS: Edit[] = [
  { service: 'orders', file: 'src/routes.ts', from: "status: 'ok'", to: "status: 'fine'" },
  { service: 'user-service', file: 'routes.go', from: 'status("ok")', to: 'status("fine")' },
  { service: 'reports', file: 'main.py', from: '"ready"', to: '"ready to report"' },
]

if (await findKind()) await show()
else console.log('Docker, kind or a node image is missing.')

async function show(): Promise<void> {
  const live = await openShiv('live')
  const folder = join(live.folder, 'examples')
  await copyExample('.', folder)
  await writeFile(
    join(folder, 'shiv.yaml'),
    `${await readFile(join(folder, 'shiv.yaml'), 'utf8')}cluster: { name: ${cluster} }\n`,
  )
  // The compiler of orders runs on this machine.
  await execa('npm', ['ci', '--no-audit', '--no-fund'], { cwd: join(folder, 'orders') })
  const argv = ['start', '--follow', '-C', 'examples', '--runtime', 'kind']
  const session = execa(process.execPath, [shivBin, ...argv], {
    cwd: live.folder,
    env: live.env,
    stdin: 'ignore',
    all: true,
    reject: false,
  })
  let text = ''
  const tell = (words: string): void => void process.stdout.write(words)
  session.all.on('data', (bytes: Buffer) => {
    const words = bytes.toString('utf8').replaceAll(live.folder, '~')
    text += words
    tell(words)
  })
  const appears = async (pattern: RegExp, from: number): Promise<void> => {
    const end = Date.now() + PATIENCE_MS
    while (!pattern.test(text.slice(from))) {
      if (Date.now() > end) throw new Error(`${pattern} did not appear`)
      await delay(20)
    }
  }
  try {
    tell(`$ shiv ${argv.join(' ')}\n`)
    await appears(/SERVICE +READY[\s\S]*DATABASE[\s\S]*\n/, 0).catch(() => undefined)
    const { services } = await readRun(live, folder)
    const loads = services
      .filter(({ directUrl }) => directUrl !== undefined)
      .map(({ name, directUrl }) => {
        const port = Number(new URL(directUrl!).port)
        return { name, load: beginLoad({ port, perSecond: PER_SECOND, methods: ['GET'], path: '/healthz' }) }
      })
    await delay(1_000)
    const save = async (service: string, file: string, change: (before: string) => string): Promise<void> => {
      const path = join(folder, service, file)
      const at = text.length
      await writeFile(path, change(await readFile(path, 'utf8')))
      await appears(new RegExp(`${service}  [^\\n]*#\\d+`), at)
      await delay(1_000)
    }
    for (const { service, file, from, to } of EDITS) {
      await save(service, file, (before) => replaced(before, from, to))
      await save(service, file, (before) => replaced(before, to, from))
    }
    await dependencies(save)
    const counts = await Promise.all(loads.map(async ({ name, load }) => ({ name, ...(await load.end()) })))
    session.kill('SIGINT')
    await session
    tell('\n$ shiv verify -C examples\n')
    tell(`${await live.shiv(['verify', '-C', 'examples'])}\n\n`)
    for (const { name, sent, lost } of counts)
      tell(
        `${name}: ${sent} requests were sent, ${lost.length} lost${lost.length > 0 ? ` (${[...new Set(lost)].slice(0, 3).join(', ')})` : ''}\n`,
      )
  } finally {
    session.kill('SIGINT')
    await live.shiv(['stop', '--purge', '--yes', '-C', 'examples'], { reject: false })
    await live.close()
    if (!isKept) await deleteCluster(cluster, join(live.folder, 'unused.kubeconfig'))
  }
}

/** A dependency comes and goes, installed in place. */
async function dependencies(
  save: (service: string, file: string, change: (before: string) => string) => Promise<void>,
): Promise<void> {
  await save('reports', 'requirements.txt', (before) => `${before}six==1.17.0\n`)
  await save('reports', 'requirements.txt', (before) => before.replace('six==1.17.0\n', ''))
}

function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the example no longer has ${from}`)
  return text.replace(from, to)
}
