import { drained } from '../drained.ts'
import type { Unmatched } from '../exchange.ts'
import type { CommandExchange, CommandRequest } from '../recording/command-exchange.ts'
import type { PlayedConnection } from '../stream/open-stream.ts'
import { errorLine } from '../../redis/resp.ts'
import { writeReply } from './frames.ts'
import { createCommandGuard } from './guard-commands.ts'
import type { Leg } from './leg.ts'
import { isOwnAnswer, ownAnswer, type PlayedState, whyNotRecorded } from './own-answers.ts'
import { createRespReader } from './read-resp.ts'
import { commandRequest, helloRequest, nameOfCommand, transactionRequest } from './requests.ts'
import { readInline } from './split-commands.ts'

/** Of one command. */
const LONGEST = 32 * 1024 * 1024

interface Answer {
  bytes: Buffer
  servedBy: 'recording' | 'upstream' | 'nobody' | 'guard'
  why?: string
}

let connections = 0

/** Answers the commands of one client from a recording until it leaves; what that lacks by `leg`, if there is one. Throws RespError for what is no command. */
export async function playConnection(connection: PlayedConnection, leg: Leg | undefined): Promise<void> {
  const { client, setting, book, exchange, retired } = connection
  const guard = createCommandGuard(setting, undefined)
  const state: PlayedState = {
    protocol: 2,
    database: undefined,
    id: (connections += 1),
    name: null,
    server: await recordedServer(exchange),
  }
  let queued: Buffer[][] | undefined
  let waiting: Buffer[][] = []
  let isBusy = false

  const find = async (request: CommandRequest, commands: readonly Buffer[][]): Promise<Answer> => {
    const answer = await exchange.player?.answer(request)
    if (answer !== undefined && 'matched' in answer) return { bytes: writeReply(answer.matched), servedBy: 'recording' }
    if (leg !== undefined) return leg.ask(commands, request, state)
    return unmatched(answer?.unmatched ?? { message: 'There is no recording.', difference: [] })
  }
  const answer = async (name: string, words: Buffer[]): Promise<Answer> => {
    const why = whyNotRecorded(name)
    if (why !== undefined)
      return unmatched({ message: `${why}.`, difference: [], hint: `shiv proxy mode ${setting.name} staging` })
    if (queued !== undefined) {
      if (name === 'exec') {
        const commands = queued
        queued = undefined
        if (commands.length === 0) return { bytes: Buffer.from('*0\r\n'), servedBy: 'recording' }
        return find(transactionRequest(commands, state), commands)
      }
      if (name === 'multi') return { bytes: errorLine('ERR MULTI calls can not be nested'), servedBy: 'recording' }
      if (name === 'watch') return { bytes: errorLine('ERR WATCH inside MULTI is not allowed'), servedBy: 'recording' }
      if (name !== 'discard') {
        queued.push(words)
        return { bytes: Buffer.from('+QUEUED\r\n'), servedBy: 'recording' }
      }
      queued = undefined
    } else if (name === 'exec' || name === 'discard') {
      return { bytes: errorLine(`ERR ${name.toUpperCase()} without MULTI`), servedBy: 'recording' }
    }
    if (name === 'multi') queued = []
    if (leg !== undefined && (name === 'watch' || name === 'unwatch')) return leg.ask([words], undefined, state)
    if (isOwnAnswer(name)) return { bytes: ownAnswer(name, words, state), servedBy: 'recording' }
    return find(commandRequest(words, state), [words])
  }
  const serve = async (words: Buffer[]): Promise<void> => {
    const began = performance.now()
    const fate = guard.decide(words, words.length)
    const { name } = nameOfCommand(words)
    const told =
      fate !== 'more' && fate.kind === 'answer'
        ? { bytes: fate.answer, servedBy: 'recording' as const }
        : await answer(name, words)
    const { bytes, servedBy, why }: Answer = told
    if (!client.destroyed) client.write(bytes)
    const line = bytes[0] === 45 ? (/^\w+/.exec(bytes.toString('latin1', 1, 40))?.[0] ?? 'ERR') : 'OK'
    const sentBytes = words.reduce((size, word) => size + word.length, 0)
    const outcome = why === undefined ? 'answered' : 'refused'
    const entry = {
      summary: name.toUpperCase(),
      began,
      servedBy,
      outcome,
      status: line,
      sentBytes,
      receivedBytes: bytes.length,
    } as const
    book.record(setting, { ...entry, ...(why !== undefined && { cause: why }) })
    if (name === 'quit') client.end()
  }
  const leave = (): void => {
    if (!isBusy && queued === undefined) client.end()
  }

  const read = createRespReader(
    ({ items }, isLong) => {
      if (isLong) waiting.push([Buffer.from('too-long')])
      else if (items && items.length > 0) waiting.push(items.map(({ text }) => text ?? Buffer.alloc(0)))
    },
    {
      longest: LONGEST,
      onLine: (line) => {
        const words = readInline(line)
        if (words.length > 0) waiting.push(words)
      },
    },
  )
  retired.addEventListener('abort', leave, { once: true })
  try {
    if (retired.aborted) leave()
    for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      isBusy = true
      read(chunk)
      const commands = waiting
      waiting = []
      for (const words of commands) {
        if (client.destroyed) return
        await serve(words)
        if (client.writableNeedDrain) await drained(client)
      }
      isBusy = false
      if (retired.aborted) leave()
    }
    client.end()
  } finally {
    retired.removeEventListener('abort', leave)
  }
}

async function recordedServer({ player }: CommandExchange): Promise<Map<string, string>> {
  const [frame] = (await player?.first(helloRequest.protocol, 'startup')) ?? []
  const texts = (frame?.values ?? []).map(({ value }) => value?.toString('utf8') ?? '')
  return new Map(texts.flatMap((text, at): [string, string][] => (at % 2 === 0 ? [[text, texts[at + 1] ?? '']] : [])))
}

function unmatched({ message, nearest, difference, hint }: Unmatched): Answer {
  const parts = [message, ...(nearest === undefined ? [] : [`nearest: ${nearest};`]), difference.join('; '), hint ?? '']
  return { bytes: errorLine(`UNRECORDED ${parts.filter((part) => part !== '').join(' ')}`), servedBy: 'nobody', why: message }
}
