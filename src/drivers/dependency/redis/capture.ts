import type { CommandRecorder, CommandRequest } from '../recording/command-exchange.ts'
import { replyFrames } from './frames.ts'
import { createRespReader, type RespValue } from './read-resp.ts'
import {
  commandRequest,
  type ConnectionState,
  helloRequest,
  nameOfCommand,
  replyNames,
  transactionNames,
  transactionRequest,
} from './requests.ts'
import { isOwnAnswer, whyNotRecorded } from './own-answers.ts'

/** Hears what passes between shiv and the server, in both directions, and keeps the exchanges. Never throws. */
export interface Capture {
  sent(bytes: Buffer): void
  received(bytes: Buffer): void
}

interface Pending {
  words: Buffer[]
  name: string
  isLong: boolean
}

/** Of one command, and of one answer; longer ones are left out. */
const LONGEST = 32 * 1024 * 1024
const TOO_LONG = `what is longer than ${LONGEST} bytes is not recorded`
/** Errors that say something of the moment, or of what must not be written. */
const OF_THE_MOMENT = /^(?:LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOAUTH|NOPERM|READONLY|OOM|MISCONF|EXECABORT|UNBLOCKED)\b/

/** Follows one connection. `isOurs` tells the names of commands that stand where one did not pass. */
export function createCapture(recorder: CommandRecorder, isOurs: (name: string) => boolean): Capture {
  const state: ConnectionState = { protocol: 2, database: undefined }
  const pending: Pending[] = []
  let queued: { commands: Buffer[][]; isWhole: boolean } | undefined
  let isOver = false

  const keep = (request: CommandRequest, reply: RespValue, isLong: boolean, names: ReturnType<typeof replyNames>): void => {
    if (isLong) return recorder.omit(request, TOO_LONG)
    if (reply.type === '-' && OF_THE_MOMENT.test(reply.text?.toString('latin1') ?? '')) return
    recorder.record(request, replyFrames(reply, names))
  }
  const send = (value: RespValue, isLong: boolean): void => {
    if (isOver) return
    const words = (value.items ?? []).map(({ text }) => text ?? Buffer.alloc(0))
    if (words.length === 0 && !isLong) return
    const { name } = isLong ? { name: '' } : nameOfCommand(words)
    const why = whyNotRecorded(name)
    if (why !== undefined) {
      // From here on answers are no longer one for each command.
      recorder.omit(commandRequest(words, state), why)
      isOver = true
      return
    }
    pending.push({ words, name, isLong })
  }
  const receive = (reply: RespValue, isLong: boolean): void => {
    if (reply.type === '>') return
    const command = pending.shift()
    if (command === undefined || isOurs(command.name)) {
      if (command && queued) queued.isWhole = false
      return
    }
    const { name, words } = command
    const isRefused = reply.type === '-'
    if (queued !== undefined) {
      if (name === 'exec' || name === 'discard') {
        const { commands, isWhole } = queued
        queued = undefined
        if (name === 'exec' && isWhole) keep(transactionRequest(commands, state), reply, isLong, transactionNames(commands))
      } else if (isRefused || command.isLong) queued.isWhole = false
      else queued.commands.push(words)
      return
    }
    if (name === 'multi' && !isRefused) queued = { commands: [], isWhole: true }
    else if (name === 'select' && !isRefused) state.database = words[1]!.toString('latin1')
    else if (name === 'hello' && !isRefused) {
      if (words[1] !== undefined) state.protocol = Number(words[1].toString('latin1'))
      recorder.record(
        helloRequest,
        [{ kind: 'server', values: aboutServer(reply).map((text) => ({ value: Buffer.from(text) })) }],
        { once: true },
      )
    } else if (!isOwnAnswer(name) && !command.isLong) keep(commandRequest(words, state), reply, isLong, replyNames(words))
  }
  const guarded =
    (read: (chunk: Buffer) => void) =>
    (chunk: Buffer): void => {
      if (isOver) return
      try {
        read(chunk)
      } catch {
        // What cannot be followed here ends the connection in the part that carries it, which says why.
        isOver = true
      }
    }
  return {
    sent: guarded(createRespReader(send, { longest: LONGEST })),
    received: guarded(createRespReader(receive, { longest: LONGEST })),
  }
}

/** Of the answer to HELLO what is the server's, and not the connection's. */
function aboutServer({ items }: RespValue): string[] {
  const texts = (items ?? []).map(({ text }) => text?.toString('utf8') ?? '')
  return texts.flatMap((name, at) =>
    at % 2 === 0 && ['version', 'mode', 'role'].includes(name) ? [name, texts[at + 1] ?? ''] : [],
  )
}
