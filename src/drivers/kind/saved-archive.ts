import type { Readable, Writable } from 'node:stream'
import { extract, pack } from 'tar-stream'

/** Blobs smaller than this always travel: configurations and manifests are among them. */
const smallBytes = 64 * 1024

/**
 * What `docker save` writes, less the layers that `has` knows of. Engines from 25 on name each entry by its digest, so it can be left
 * out; older archives pass whole. The way that always works, also where the engine cannot reach this process.
 */
export async function* filterSaved(saved: Readable, has: (digest: string) => boolean): AsyncGenerator<Buffer> {
  const input = extract()
  const output = pack()
  const moved = (async () => {
    for await (const entry of input) {
      entry.on('error', ignore)
      const digest = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(entry.header.name)?.[1]
      const size = entry.header.size ?? 0
      if (digest !== undefined && size > smallBytes && has(`sha256:${digest}`)) {
        entry.resume()
        continue
      }
      if (entry.header.type !== 'file') {
        output.entry(entry.header)
        entry.resume()
        continue
      }
      const target = output.entry(entry.header) as unknown as Writable // its types name streamx's
      target.on('error', ignore)
      for await (const chunk of entry) {
        if (!target.write(chunk as Buffer)) await new Promise((resolve) => target.once('drain', resolve))
      }
      target.end()
    }
    output.finalize()
  })()
  moved.catch((error: unknown) => output.destroy(error as Error))
  input.on('error', ignore)
  output.on('error', ignore)
  saved.on('error', (error) => input.destroy(error))
  saved.pipe(input)
  for await (const chunk of output) yield chunk as Buffer
  await moved
}

/** The loops throw what a stream says; without a listener as well, it would end the process. */
function ignore(): void {}
