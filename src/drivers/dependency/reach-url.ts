import { readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { DependencyCaller, Reach } from '../../engine/dependency-ports.ts'
import type { RemoteTarget } from '../../plan/remote.ts'

type UrlTarget = Extract<RemoteTarget, { kind: 'url' }>

/** The way to an address that is reached directly. Throws DEPENDENCY_CA_UNREADABLE. */
export async function reachUrl(target: UrlTarget, caller: DependencyCaller): Promise<Reach> {
  const { ca, servername, environment, url } = target
  return {
    upstream: {
      url: new URL(url),
      label: `${environment ?? 'staging'} (${new URL(url).host})`,
      ...(ca !== undefined && { ca: await readAuthority(ca, caller.folder) }),
      ...(servername !== undefined && { servername }),
    },
    close: async () => {},
  }
}

/** A certificate lies in the workspace, also by the links on its way. */
export async function readAuthority(file: string, folder: string): Promise<string> {
  try {
    const [path, root] = await Promise.all([realpath(join(folder, file)), realpath(folder)])
    if (!path.startsWith(root + sep)) throw new Error('it lies outside of the workspace')
    const text = await readFile(path, 'utf8')
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text
    throw new Error('it holds no certificate')
  } catch (cause) {
    throw new ShivError(`The certificate ${file} cannot be used: ${(cause as Error).message}.`, {
      code: 'DEPENDENCY_CA_UNREADABLE',
      exit: 2,
      hint: 'ca names a PEM file of the workspace: ca: certificates/staging.pem',
      cause,
    })
  }
}
