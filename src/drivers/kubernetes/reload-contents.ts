import { join } from 'node:path/posix'
import { createHash } from 'node:crypto'
import type { HeldFile } from '../../engine/ports.ts'
import type { KubeClient } from './client.ts'
import { execInPod } from './exec.ts'
import type { Site } from './reload-channels.ts'

/** Three lists with a line of their own between them: modes and hashes of files, and where links lead. */
const LIST = `b=/shiv/busybox
cd "$1" 2>/dev/null || exit 0
$b find . -type f -exec $b stat -c '%a %n' {} +
echo //
$b find . -type f -exec $b sha256sum {} +
echo //
$b find . -type l -exec $b stat -c %N {} +
exit 0`

/** Everything below a folder of a container, by absolute path; a name with a newline is left out. Throws POD_EXEC_FAILED. */
export async function readContents(
  client: KubeClient,
  { pod, container }: Site,
  folder: string,
  signal: AbortSignal,
): Promise<Map<string, HeldFile>> {
  const argv = ['/shiv/busybox', 'sh', '-c', LIST, 'sh', folder]
  return contentsOf(folder, (await execInPod(client, pod, container.name, argv, signal)).stdout)
}

/** Reads what LIST wrote. Paths that are not below `folder` are nothing that it wrote. */
export function contentsOf(folder: string, text: string): Map<string, HeldFile> {
  const [modes = [], hashes = [], links = []] = text.split('\n//\n').map((part) => part.split('\n'))
  const found = new Map<string, HeldFile>()
  const at = (path: string) => join(folder, path)
  for (const line of modes) {
    const [, mode, path] = /^([0-7]{1,4}) \.\/(.+)$/.exec(line) ?? []
    if (isBelow(path)) found.set(at(path), { hash: '', mode: Number.parseInt(mode!, 8) & 0o777 })
  }
  for (const line of hashes) {
    const [, hash, path] = /^([0-9a-f]{64}) {2}\.\/(.+)$/.exec(line) ?? []
    const file = isBelow(path) ? found.get(at(path)) : undefined
    if (file) file.hash = hash!
  }
  for (const line of links) {
    const [, path, link] = /^'\.\/(.+)' -> '(.*)'$/.exec(line) ?? []
    if (isBelow(path)) found.set(at(path), { hash: createHash('sha256').update(link!).digest('hex'), mode: 0o777, link: link! })
  }
  return found
}

function isBelow(path: string | undefined): path is string {
  return path !== undefined && !path.split('/').some((part) => part === '..' || part === '.' || part === '')
}
