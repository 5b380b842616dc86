import { readText, type Engine } from '../docker/engine.ts'
import { execInContainer } from '../docker/exec.ts'
import type { IncomingMessage } from 'node:http'

const plainImport = ['ctr', '-n', 'k8s.io', 'images', 'import', '--all-platforms', '-']

/**
 * Streams one archive into the containerd of several nodes at once, at the pace of the slowest. Throws with what the command said,
 * which is containerd's own import where none is given.
 */
export async function importArchive(
  engine: Engine,
  nodes: string[],
  archive: AsyncIterable<Buffer>,
  options: { signal: AbortSignal; onBytes?(count: number): void; command?: string[] },
): Promise<void> {
  const imports = await Promise.all(
    nodes.map(async (node) => ({
      node,
      exec: await execInContainer(engine, node, options.command ?? plainImport, { signal: options.signal }),
    })),
  )
  const abort = (): void => imports.forEach(({ exec }) => exec.destroy())
  options.signal.addEventListener('abort', abort)
  try {
    const outputs = imports.map(({ exec }) => readText(exec.stdout as unknown as IncomingMessage))
    let broken: unknown
    try {
      for await (const chunk of archive) {
        await Promise.all(imports.map(({ exec }) => exec.write(chunk)))
        options.onBytes?.(chunk.length)
      }
    } catch (error) {
      broken = error // most often a program that ended early: its own words, below, say why
    }
    for (const { exec } of imports) exec.end()
    const ended = await Promise.all(
      imports.map(async ({ node, exec }, index) => {
        const said = `${await outputs[index]}${exec.stderr()}`.trim()
        return { node, code: await exec.exitCode(), said }
      }),
    )
    options.signal.throwIfAborted()
    const failed = ended.find((end) => end.code !== 0)
    if (failed !== undefined)
      throw new Error(`ctr images import in ${failed.node}: ${failed.said.slice(-500)}`, { cause: broken })
    if (broken !== undefined) throw broken
  } finally {
    options.signal.removeEventListener('abort', abort)
  }
}
