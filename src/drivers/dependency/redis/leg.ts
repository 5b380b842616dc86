import type { Duplex } from 'node:stream'
import { encode, errorLine } from '../../redis/resp.ts'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { CommandRecorder, CommandRequest } from '../recording/command-exchange.ts'
import type { CommandTable } from './commands.ts'
import { replyFrames, writeReply } from './frames.ts'
import { createCommandGuard } from './guard-commands.ts'
import { createRespReader, type RespValue } from './read-resp.ts'
import { type ConnectionState, replyNames, transactionNames } from './requests.ts'

export interface LegAnswer {
  bytes: Buffer
  servedBy: 'upstream' | 'guard'
  /** Why it was not sent, or not answered. */
  why?: string
}

/** A connection to the server for what the recording of one client's connection lacks; opened with the first. */
export interface Leg {
  /** Commands of one transaction, or a single one; kept as `request`, if there is one. Rejects where the server cannot be reached or breaks off. */
  ask(commands: readonly Buffer[][], request: CommandRequest | undefined, state: ConnectionState): Promise<LegAnswer>
  close(): void
}

/** Of one answer. */
const LONGEST = 64 * 1024 * 1024

/** Of this one the client is told; the connection to the server is opened anew with the next command. */
class TooLong extends Error {}

/** `open` gives a connection that is logged in, and the server's table where only reads may pass. */
export function createLeg(
  setting: DependencySetting,
  recorder: CommandRecorder | undefined,
  open: () => Promise<{ socket: Duplex; table: CommandTable | undefined }>,
): Leg {
  const { clientPassword: _asked, ...own } = setting
  let opened:
    | { ask(words: readonly (string | Buffer)[]): Promise<RespValue>; socket: Duplex; table: CommandTable | undefined }
    | undefined
  let there: ConnectionState = { protocol: 2, database: undefined }

  const askThere: Leg['ask'] = async (commands, request, state) => {
    opened ??= await (async () => {
      const { socket, table } = await open()
      return { socket, table, ask: createAsker(socket) }
    })()
    const { ask, table } = opened
    const guard = createCommandGuard(own, table)
    for (const words of commands) {
      const fate = guard.decide(words, words.length)
      if (fate !== 'more' && fate.kind === 'answer')
        return { bytes: fate.answer, servedBy: 'guard', why: fate.refusedWhy ?? 'it is not sent' }
    }
    if (there.protocol !== state.protocol) await ask(['HELLO', String(state.protocol)])
    if (state.database !== undefined && there.database !== state.database) await ask(['SELECT', state.database])
    there = { ...state }
    const isTransaction = request?.command.startsWith('MULTI;') === true
    let isWhole = true
    if (isTransaction) {
      await ask(['MULTI'])
      for (const words of commands) isWhole = (await ask(words)).type === '+' && isWhole
    }
    const reply = await ask(isTransaction ? ['EXEC'] : (commands[0] ?? []))
    const names = isTransaction ? transactionNames(commands) : replyNames(commands[0] ?? [])
    const frames = replyFrames(reply, names)
    if (request && isWhole) recorder?.record(request, frames)
    return { bytes: writeReply(frames), servedBy: 'upstream' }
  }
  return {
    async ask(commands, request, state) {
      try {
        return await askThere(commands, request, state)
      } catch (error) {
        opened?.socket.destroy()
        opened = undefined
        there = { protocol: 2, database: undefined }
        if (!(error instanceof TooLong)) throw error
        return { bytes: errorLine(`ERR ${error.message}`), servedBy: 'upstream', why: error.message }
      }
    },
    close() {
      opened?.socket.destroy()
    },
  }
}

function createAsker(socket: Duplex): (words: readonly (string | Buffer)[]) => Promise<RespValue> {
  let waiting: { resolve(value: RespValue): void; reject(error: Error): void } | undefined
  let failed: Error | undefined
  const fail = (error: Error): void => {
    failed ??= error
    waiting?.reject(error)
    waiting = undefined
  }
  const read = createRespReader(
    (value, isLong) => {
      if (value.type === '>') return
      if (isLong) return fail(new TooLong(`an answer of more than ${LONGEST} bytes is not kept`))
      waiting?.resolve(value)
      waiting = undefined
    },
    { longest: LONGEST },
  )
  socket.on('data', (chunk: Buffer) => {
    try {
      read(chunk)
    } catch (error) {
      fail(error as Error)
      socket.destroy()
    }
  })
  socket.once('close', () => fail(new Error('the connection was closed')))
  socket.resume()
  return (words) =>
    new Promise((resolve, reject) => {
      if (failed !== undefined) return reject(failed)
      waiting = { resolve, reject }
      socket.write(encode(words))
    })
}
