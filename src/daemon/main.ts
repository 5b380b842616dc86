import { rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLog } from '../core/log.ts'
import { shivHome, socketPath } from '../core/paths.ts'
import { makePrivateFolder } from '../core/private-folder.ts'
import { createRedactor } from '../core/redact.ts'
import { stampOf } from '../wire/daemon-entry.ts'
import { EXIT_ALREADY_RUNNING } from '../wire/ensure-daemon.ts'
import { runDaemon } from './daemon.ts'
import { acquireLock } from '../core/lock-file.ts'

const home = shivHome()
const socket = socketPath(home)
const socketFolder = dirname(socket)
makePrivateFolder(home)
makePrivateFolder(socketFolder)
const lock = acquireLock(join(home, 'daemon.lock'))
if (!lock.held) process.exit(EXIT_ALREADY_RUNNING)

const redactor = createRedactor()
const log = createLog((line) => process.stderr.write(line), redactor.text)
const daemon = await runDaemon({
  home,
  socket,
  stamp: stampOf(fileURLToPath(import.meta.url)),
  redactor,
  log,
  idleExitMs: Number(process.env['SHIV_IDLE_EXIT_MS'] ?? 5 * 60_000),
  released() {
    if (socketFolder !== home) rmdirSync(socketFolder)
    lock.release()
  },
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void daemon.close(signal))
process.on('uncaughtException', (error) => daemon.crash(error))
process.on('unhandledRejection', (error) => daemon.crash(error))
