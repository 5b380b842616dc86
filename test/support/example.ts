import { cp } from 'node:fs/promises'
import { join } from 'node:path'

/** Copies an example as a clone would have it: without what was installed or built in it. */
export async function copyExample(name: string, to: string): Promise<void> {
  await cp(join(import.meta.dirname, '..', '..', 'examples', name), to, {
    recursive: true,
    filter: (source) => !/[\\/](node_modules|dist|\.venv)([\\/]|$)/.test(source),
  })
}
