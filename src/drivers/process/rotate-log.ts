import { closeSync, existsSync, ftruncateSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'

const CHUNK_BYTES = 1024 * 1024

/**
 * Moves the content of a log file to `FILE.1` and empties the file in place: its writer holds it open (for appending) and would
 * follow a rename. The copy goes on until nothing was added, so what could be lost is what arrives in the instant before the cut.
 */
export function rotateLog(path: string): void {
  const from = openSync(path, 'r+')
  try {
    const to = openSync(`${path}.1`, 'w', 0o600)
    try {
      const chunk = Buffer.alloc(CHUNK_BYTES)
      let at = 0
      for (let read = readSync(from, chunk, 0, CHUNK_BYTES, at); read > 0; read = readSync(from, chunk, 0, CHUNK_BYTES, at)) {
        writeSync(to, chunk, 0, read)
        at += read
      }
      ftruncateSync(from, 0)
    } finally {
      closeSync(to)
    }
  } finally {
    closeSync(from)
  }
  rmSync(`${path}.1.times`, { force: true })
  if (existsSync(`${path}.times`)) renameSync(`${path}.times`, `${path}.1.times`)
}
