import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { readText, type Engine } from '../docker/engine.ts'

/** One layer as an uncompressed tar, in a file of the caller's folder. */
export interface CaughtLayer {
  diffId: string
  sizeBytes: number
  file: string
}

/**
 * Takes single layers out of the engine without reading the rest of the image: the engine is asked to push to a registry on
 * loopback, which is us. It sends the newest layers first; when those wanted are here the push is cancelled. The bytes
 * are checked against their digest. Throws when the engine cannot reach this process or cannot give them.
 */
export async function catchLayers(
  engine: Engine,
  reference: string,
  wanted: ReadonlySet<string>,
  options: { folder: string; signal: AbortSignal },
): Promise<CaughtLayer[]> {
  const done = new AbortController()
  const signal = AbortSignal.any([options.signal, done.signal])
  const caught = new Map<string, CaughtLayer>()
  const registry = await serveRegistry(options.folder, (layer) => {
    if (wanted.has(layer.diffId)) caught.set(layer.diffId, layer)
    if (caught.size === wanted.size) done.abort()
  })
  const repository = `127.0.0.1:${registry.port}/shiv/${randomUUID()}`
  try {
    await engine.json('POST', `/images/${reference}/tag?repo=${encodeURIComponent(repository)}&tag=layers`, {
      signal: options.signal,
    })
    const push = await engine.stream('POST', `/images/${repository}/push?tag=layers`, {
      signal,
      headers: { 'x-registry-auth': Buffer.from('{}').toString('base64') },
    })
    const said = await readText(push)
    if (caught.size < wanted.size)
      throw new Error(`the engine gave ${caught.size} of ${wanted.size} layers: ${said.trim().slice(-300)}`)
  } catch (error) {
    options.signal.throwIfAborted()
    if (caught.size < wanted.size) throw error
  } finally {
    registry.close()
    await engine.json('DELETE', `/images/${repository}:layers?noprune=true`)
  }
  return [...caught.values()]
}

/** As much of the registry protocol as a push needs: it has nothing, and takes everything. */
async function serveRegistry(folder: string, onLayer: (layer: CaughtLayer) => void): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>()
  const finished = new Map<string, number>()
  const uploads = new Map<string, number>()

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy()) // the engine sees a broken upload and says so in its answer
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://loopback')
    const id = url.pathname.split('/').at(-1) ?? ''
    response.setHeader('docker-distribution-api-version', 'registry/2.0')
    if (url.pathname === '/v2/') return void response.end('{}')
    if (request.method === 'HEAD' && finished.has(id)) {
      response.writeHead(200, { 'content-length': String(finished.get(id)), 'docker-content-digest': id })
    } else if (request.method === 'POST') {
      const upload = randomUUID()
      response.writeHead(202, { location: `${url.pathname}${upload}`, 'docker-upload-uuid': upload })
    } else if (request.method === 'PATCH') {
      const bytes = await receive(request, join(folder, `${id}.tar`), onLayer)
      uploads.set(id, bytes)
      response.writeHead(202, { location: url.pathname, range: `0-${bytes - 1}`, 'docker-upload-uuid': id })
    } else if (request.method === 'PUT') {
      request.resume()
      const digest = url.searchParams.get('digest') ?? ''
      finished.set(digest, uploads.get(id) ?? 0)
      response.writeHead(201, { location: url.pathname, 'docker-content-digest': digest })
    } else response.writeHead(404)
    response.end()
  }
}

/** Unpacks one upload into a file, hashing on the way; returns how many bytes came over the wire. */
async function receive(request: Readable, file: string, onLayer: (layer: CaughtLayer) => void): Promise<number> {
  let sent = 0
  let sizeBytes = 0
  const digest = createHash('sha256')
  const count = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      sent += chunk.length
      next(null, chunk)
    },
  })
  const hash = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      sizeBytes += chunk.length
      digest.update(chunk)
      next(null, chunk)
    },
  })
  await pipeline(request, count, createGunzip(), hash, createWriteStream(file, { mode: 0o600 }))
  onLayer({ diffId: `sha256:${digest.digest('hex')}`, sizeBytes, file })
  return sent
}
