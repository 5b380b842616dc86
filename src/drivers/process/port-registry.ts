import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import { withFileLock } from './file-lock.ts'
import { portOwner, type PortOwner } from './port-owner.ts'

/** Below the ports that systems give to outgoing connections, so that a kept port is not lost to one of them. */
const FIRST = 20_000
const COUNT = 10_000

export interface ChosenPort {
  port: number
  /** Set when the port it had before is taken now. */
  moved?: { from: number; by: PortOwner | undefined }
}

export interface PortRegistry {
  /** A port for each key, in the order of `wanted`: the one it had before if that is free, else `preferred` if free, else a free one; kept in ports.json. */
  choose(wanted: { key: string; preferred?: number }[]): Promise<ChosenPort[]>
  /** Forgets every key that starts with `prefix`. */
  forget(prefix: string): Promise<void>
}

/** Ports chosen once and kept, over runs and daemons: `HOME/ports.json`. */
export function createPortRegistry(home: string): PortRegistry {
  const path = join(home, 'ports.json')
  const update = async <T>(work: (ports: Record<string, number>) => Promise<T>): Promise<T> => {
    makePrivateFolder(home)
    return withFileLock(`${path}.lock`, async () => {
      const file = await readPorts(path)
      const before = JSON.stringify(file)
      const result = await work(file.processes)
      if (JSON.stringify(file) !== before) await writeFileAtomic(path, JSON.stringify(file, undefined, 2))
      return result
    })
  }
  const chooseOne = async (ports: Record<string, number>, key: string, preferred: number | undefined): Promise<ChosenPort> => {
    const before = ports[key]
    if (before !== undefined && (await isFree(before))) return { port: before }
    const given = new Set(Object.values(ports))
    const port = await pick(`${home}/${key}`, preferred, given)
    ports[key] = port
    return before === undefined ? { port } : { port, moved: { from: before, by: portOwner(before) } }
  }
  return {
    choose: (wanted) =>
      update(async (ports) => {
        const chosen: ChosenPort[] = []
        for (const { key, preferred } of wanted) chosen.push(await chooseOne(ports, key, preferred))
        return chosen
      }),
    forget: (prefix) =>
      update(async (ports) => {
        for (const key of Object.keys(ports)) if (key.startsWith(prefix)) delete ports[key]
      }),
  }
}

async function readPorts(path: string): Promise<{ processes: Record<string, number> }> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as { processes?: Record<string, number> }
    return { ...file, processes: file.processes ?? {} }
  } catch (error) {
    // A file that is missing or broken holds nothing worth more than new ports.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return { processes: {} }
    throw error
  }
}

/** Begins where no other home begins, so that two homes hardly ever try for the same port at the same moment. */
async function pick(key: string, preferred: number | undefined, given: Set<number>): Promise<number> {
  if (preferred !== undefined && !given.has(preferred) && (await isFree(preferred))) return preferred
  let start = 0
  for (const char of key) start = (start * 31 + char.charCodeAt(0)) % COUNT
  for (let step = 0; step < COUNT; step += 1) {
    const port = FIRST + ((start + step) % COUNT)
    if (!given.has(port) && (await isFree(port))) return port
  }
  throw new Error(`every port from ${FIRST} to ${FIRST + COUNT - 1} is taken`)
}

/** Free on the loopback and on every address: a service may listen on either. */
async function isFree(port: number): Promise<boolean> {
  for (const host of ['127.0.0.1', '0.0.0.0', '::']) if (!(await canListen(host, port))) return false
  return true
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    // A machine without IPv6 has no `::` to clash on.
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL'),
    )
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
