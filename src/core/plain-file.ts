import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** A FIFO would block whoever opens it until somebody writes, and a link may lead anywhere. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** What stands at a path is no plain file. */
export class NotPlain extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'NotPlain'
  }
}

/** Opens a plain file for reading; throws NotPlain for a folder, link, pipe, socket or device, and what the system says. */
export async function openPlain(path: string): Promise<FileHandle> {
  const handle = await open(path, FLAGS).catch((error: unknown) => {
    throw notOpened(error)
  })
  const stat = await handle.stat()
  if (stat.isFile()) return handle
  await handle.close()
  throw otherThanPlain(stat)
}

/** The same, at once; returns the descriptor. */
export function openPlainSync(path: string): number {
  let descriptor: number
  try {
    descriptor = openSync(path, FLAGS)
  } catch (error) {
    throw notOpened(error)
  }
  const stat = fstatSync(descriptor)
  if (stat.isFile()) return descriptor
  closeSync(descriptor)
  throw otherThanPlain(stat)
}

function otherThanPlain(stat: { isDirectory(): boolean }): NotPlain {
  return new NotPlain(stat.isDirectory() ? 'it is a folder' : 'it is not a plain file')
}

/** ELOOP: a link. ENXIO: a socket, or a device that nothing is behind. */
function notOpened(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ELOOP') return new NotPlain('it is a link')
  return code === 'ENXIO' ? new NotPlain('it is not a plain file') : error
}
