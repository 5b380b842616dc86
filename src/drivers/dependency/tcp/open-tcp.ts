import { ShivError } from '../../../core/errors.ts'
import type { DependencySetting, OpenDependency } from '../../../engine/dependency-ports.ts'
import { servedByOf } from '../stream/book.ts'
import { deadlinesOf, dial } from '../stream/dial.ts'
import { abortWhenClosed } from '../stream/gone.ts'
import { type Connection, type OpenOptions, openStream } from '../stream/open-stream.ts'
import { relay, reset } from '../stream/relay.ts'

/**
 * Opens a dependency of bytes that nobody looks into. Throws DEPENDENCY_TCP_UNGUARDED for one that may only be read: a write looks like
 * everything else there. Connections that are open when the setting changes stay where they are.
 */
export function openTcpDependency(setting: DependencySetting, options: OpenOptions): Promise<OpenDependency> {
  return openStream({ check: refuseReadOnly, serve }, setting, options)
}

function refuseReadOnly({ name, access, mode }: DependencySetting): void {
  if (access.level === 'read_write' || mode === 'local') return
  throw new ShivError(`${name} is read-only, and what speaks plain tcp cannot be kept from writing.`, {
    code: 'DEPENDENCY_TCP_UNGUARDED',
    exit: 2,
    hint: `say what it speaks (type: postgres, type: redis), or that it may be written to: read_only: false`,
  })
}

async function serve({ client, setting, book, closed }: Connection): Promise<void> {
  const began = performance.now()
  const { dialMs, writeMs } = deadlinesOf(setting)
  const gone = abortWhenClosed(client, closed)
  const told = { summary: 'connection', began, servedBy: servedByOf(setting), sentBytes: 0, receivedBytes: 0 }
  try {
    const upstream = await dial(setting.upstream, 0, dialMs, gone.signal)
    gone.release()
    const latencyMs = performance.now() - began
    const { sentBytes, receivedBytes, broken } = await relay(client, upstream, writeMs, book.prove)
    // Closed by ourselves, or by a client that had its answer: nobody failed.
    const isFailure = broken?.by === 'upstream' && !closed.aborted
    const outcome = isFailure ? 'failed' : receivedBytes > 0 ? 'answered' : 'aborted'
    book.record(setting, { ...told, latencyMs, outcome, ...(broken && { cause: broken.cause }), sentBytes, receivedBytes })
  } catch (error) {
    const isGone = gone.signal.aborted
    book.record(setting, { ...told, outcome: isGone ? 'aborted' : 'failed', cause: (error as Error).message })
    reset(client)
  } finally {
    gone.release()
  }
}
