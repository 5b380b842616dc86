import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../src/wire/client.ts'

let folder: string
let server: Server
const sockets: Socket[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-client-'))
  // Takes every request, and neither answers nor hangs up.
  server = createServer({ allowHalfOpen: true }, (socket) => sockets.push(socket.resume()))
  await new Promise<void>((resolve) => server.listen(join(folder, 'sock'), resolve))
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server.close()
  rmSync(folder, { recursive: true })
})

test('an interruption ends the call even when the daemon hangs', async () => {
  const connection = await connect(join(folder, 'sock'))
  const interruption = new AbortController()
  const call = connection!.call({ method: 'hello' }, { signal: interruption.signal })
  interruption.abort()
  await expect(call).rejects.toMatchObject({ code: 'INTERRUPTED', exit: 130 })
  await connection!.closed
})
