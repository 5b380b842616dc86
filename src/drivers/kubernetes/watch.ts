import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { KubeApiError, type KubeClient } from './client.ts'
import type { Live } from './objects.ts'

export interface WatchHandlers {
  /** The whole collection, at the start and whenever the server has forgotten where we were. */
  replaced(objects: Live[]): void
  changed(object: Live): void
  deleted(object: Live): void
  /** The stream broke and is being opened again, or is back. */
  connected(isConnected: boolean): void
}

interface ListBody {
  metadata: { resourceVersion: string }
  items: Live[] | null
}

interface WatchLine {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  object: Live & { code?: number }
}

/**
 * Lists a collection, then watches it until `signal` aborts; goes on from the last version seen when the stream ends, lists
 * again when that version is gone (410). Returns when aborted; throws only when the very first list fails.
 */
export async function watchCollection(client: KubeClient, path: string, signal: AbortSignal, on: WatchHandlers): Promise<void> {
  let version: string | undefined = await list(client, path, signal, on)
  let failures = 0
  while (!signal.aborted) {
    try {
      version ??= await list(client, path, signal, on)
      on.connected(true)
      version = await follow(client, path, version, signal, on)
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof KubeApiError && error.status === 410) {
        version = undefined
        continue
      }
      on.connected(false)
      failures += 1
      await delay(Math.min(2000, 50 * 2 ** failures), undefined, { signal }).catch(() => {
        // Aborted while waiting: the loop's condition ends it.
      })
    }
  }
}

async function list(client: KubeClient, path: string, signal: AbortSignal, on: WatchHandlers): Promise<string> {
  const body = await client.call<ListBody>('GET', path, { signal })
  on.replaced(body.items ?? [])
  return body.metadata.resourceVersion
}

/** Reads one watch stream to its end; returns the version to go on from, undefined when the server says it is too old. */
async function follow(
  client: KubeClient,
  path: string,
  version: string,
  signal: AbortSignal,
  on: WatchHandlers,
): Promise<string | undefined> {
  const separator = path.includes('?') ? '&' : '?'
  const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=1800&resourceVersion=${version}`
  const stream = await client.stream(`${path}${separator}${query}`, signal)
  let latest: string | undefined = version
  for await (const line of linesOf(stream)) {
    const event = JSON.parse(line) as WatchLine
    if (event.type === 'ERROR') {
      if (event.object.code === 410) return undefined
      throw new KubeApiError(event.object.code ?? 500, line, path)
    }
    latest = event.object.metadata.resourceVersion
    if (event.type === 'DELETED') on.deleted(event.object)
    else if (event.type !== 'BOOKMARK') on.changed(event.object)
  }
  return latest
}

/** Splits a body into its lines as they arrive, without the line ends; the last one may lack its end. */
export async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  stream.setEncoding('utf8')
  let rest = ''
  for await (const part of stream as AsyncIterable<string>) {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
