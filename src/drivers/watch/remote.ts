import { statfs } from 'node:fs/promises'

/** Of statfs(2): file systems that another machine (or the host of this one) writes to without a word to this kernel. */
const REMOTE = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x786f4256, 'VirtualBox shared folder'],
  [0xbacbacbc, 'VMware shared folder'],
])

/** The name of a path's file system when others may write to it unheard; undefined when they cannot. */
export async function findRemote(path: string): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  const { type } = await statfs(path)
  return REMOTE.get(type >>> 0)
}
