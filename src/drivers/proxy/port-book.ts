import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { ShivError } from '../../core/errors.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import type { PortMove } from '../../engine/ports.ts'
import { portOwner } from '../process/port-owner.ts'
import { listenOnLoopback, type Listener, type MakeServer } from './listen.ts'

const SHARED = { first: 7777, last: 7799 }
const OWN = { first: 7801, last: 7999 }

/** Ports of the front door, kept over runs and daemons in `HOME/front-door.json`. */
export interface PortBook {
  /** Listens on the port the key had before, else on `preferred`, else on the next free one; `shared` is the key of the common port. */
  open(key: string, make: MakeServer, preferred?: number): Promise<Listener>
  /** Ports that were wanted first and are taken, as found since the last asking. */
  takeMoves(): PortMove[]
}

export async function openPortBook(home: string): Promise<PortBook> {
  const path = join(home, 'front-door.json')
  const ports = await readPorts(path)
  const moves: PortMove[] = []
  return {
    takeMoves: () => moves.splice(0),
    async open(key, make, preferred) {
      const range = key === 'shared' ? SHARED : OWN
      for (const port of candidates(ports, key, preferred, range)) {
        const listener = await listenOnLoopback(port, make)
        if (listener === undefined) continue
        const wanted = preferred ?? ports[key] ?? (key === 'shared' ? SHARED.first : port)
        if (wanted !== port) moves.push({ key, from: wanted, to: port, by: portOwner(wanted) })
        if (ports[key] !== port) {
          ports[key] = port
          makePrivateFolder(home)
          await writeFileAtomic(path, JSON.stringify({ ports }, undefined, 2))
        }
        return listener
      }
      throw new ShivError(`Every port from ${range.first} to ${range.last} is taken.`, {
        code: 'PORTS_TAKEN',
        exit: 3,
        hint: 'shiv doctor shows who has them; shiv stop in workspaces you no longer need gives some back',
      })
    },
  }
}

/** Own ports begin somewhere in the range by the key, so that a service tends to the same port wherever it is started. */
function* candidates(
  ports: Record<string, number>,
  key: string,
  preferred: number | undefined,
  range: typeof OWN,
): Generator<number> {
  const kept = ports[key]
  if (preferred !== undefined) yield preferred
  if (kept !== undefined && kept !== preferred) yield kept
  const promised = new Set(Object.values(ports))
  const count = range.last - range.first + 1
  const start = range === SHARED ? 0 : createHash('sha256').update(key).digest().readUInt32BE() % count
  const all = Array.from({ length: count }, (_, step) => range.first + ((start + step) % count))
  yield* all.filter((port) => !promised.has(port))
  // Only what others had once is left.
  yield* all.filter((port) => promised.has(port) && port !== kept)
}

async function readPorts(path: string): Promise<Record<string, number>> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as { ports?: Record<string, unknown> } | null
    const entries = Object.entries(file?.ports ?? {})
    return Object.fromEntries(entries.filter((entry): entry is [string, number] => Number.isInteger(entry[1])))
  } catch (error) {
    // A book that is missing or broken holds nothing worth more than new ports.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return {}
    throw error
  }
}
