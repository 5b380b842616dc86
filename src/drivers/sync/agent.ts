import { createHash, randomBytes } from 'node:crypto'
import { closeSync, readFileSync } from 'node:fs'
import { openPlainSync } from '../../core/plain-file.ts'
import { type Answer, type Hello, createAnswerReader, hashesOf } from './answers.ts'
import type { Frame } from './frame.ts'
import { type SendableFile, causeOf } from './source.ts'
import type { Transport } from './transport.ts'

/** How the agent took a frame. `broken`: nothing of it was put in its place. */
export type Applied = { refused: Map<string, string>; broken?: string }

/** `hasEnded`, of a failed one: by itself; else it lives and is not healthy. */
export type Started = { state: 'ready' | 'failed'; pid?: number; cause?: string; hasEnded?: true }

/** One connected agent.sh. Every method rejects with StreamLost when the stream ends. */
export interface Agent {
  readonly hello: Hello
  /** `onSent` when the last byte is on its way. */
  apply(sequence: number, mark: string | undefined, frame: Frame, onSent?: () => void): Promise<Applied>
  /** `how`: `process`, `none` or a signal's name without SIG. Resolves when the process answers or has failed; `onStarted` when it runs. */
  restart(sequence: number, how: string, seconds: number, onStarted?: (pid: number) => void): Promise<Started>
  /** Of those that can be read. */
  hashes(paths: readonly string[]): Promise<Map<string, string>>
  ping(): Promise<void>
  /** Told with the exit code when the service ended by itself. */
  onCrash(listener: (code: number) => void): void
  readonly closed: Promise<string>
  close(): void
}

export class StreamLost extends Error {
  constructor(why: string) {
    super(`the stream to the container ended: ${why}`)
    this.name = 'StreamLost'
  }
}

const HASH_PATHS = 500

interface Waiter {
  take(answer: Answer): boolean
  fail(error: Error): void
}

/** Resolves with the agent's hello. */
export async function openAgent(transport: Transport): Promise<Agent> {
  const waiters = new Set<Waiter>()
  let onCrash: (code: number) => void = () => {}
  let lost: Error | undefined
  const lose = (why: string) => {
    lost ??= new StreamLost(why)
    for (const { fail } of waiters) fail(lost)
    waiters.clear()
  }
  /** Resolves with the first value that `take` makes of an answer. */
  const awaitAnswer = <T>(take: (answer: Answer) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      if (lost) return reject(lost)
      const waiter: Waiter = {
        take(answer) {
          const value = take(answer)
          if (value === undefined) return false
          resolve(value)
          waiters.delete(waiter)
          return true
        },
        fail: reject,
      }
      waiters.add(waiter)
      return undefined
    })
  const read = createAnswerReader((answer) => {
    if (answer.kind === 'crashed') onCrash(answer.code)
    for (const waiter of waiters) if (waiter.take(answer) && !isOfStart(answer)) return
  })
  const greeting = awaitAnswer((answer) => (answer.kind === 'hello' ? answer : undefined))
  transport.onData((bytes) => {
    try {
      read(bytes)
    } catch (error) {
      lose((error as Error).message)
      transport.close()
    }
  })
  const closed = transport.closed.then((why) => (lose(why), why))

  let writing: Promise<void> = Promise.resolve()
  /** What one call writes stays together. */
  const write = (parts: () => AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> => {
    const before = writing
    const send = async () => {
      await before
      for await (const part of parts()) {
        await transport.write(part).catch((error: Error) => {
          throw new StreamLost(error.message)
        })
      }
    }
    const done = send()
    writing = done.catch(() => {}) // told to the caller, whose call it was
    return done
  }
  const ask = async <T>(parts: () => AsyncIterable<Buffer> | Iterable<Buffer>, take: (answer: Answer) => T | undefined) => {
    const answer = awaitAnswer(take)
    answer.catch(() => {}) // the write says why, if it fails first
    await write(parts)
    return answer
  }

  const hello = await greeting
  const hashChunk = async (paths: readonly string[]) => {
    const token = randomBytes(8).toString('hex')
    const list = Buffer.from(paths.map((path) => `${path}\0`).join(''))
    const output = await ask(
      () => [Buffer.concat([Buffer.from(`hash ${token} ${list.length}\n`), list])],
      (answer) => (answer.kind === 'hashed' && answer.token === token ? answer.output : undefined),
    )
    return hashesOf(output, paths)
  }
  return {
    hello,
    closed,
    close: () => transport.close(),
    onCrash: (listener) => (onCrash = listener),
    async apply(sequence, mark, frame, onSent) {
      const refused = new Map<string, string>()
      const asked = new Set(frame.files.map(({ path }) => path))
      const lone = frame.lone && readLone(frame.lone, frame.sent)
      if (lone instanceof Error) return { refused, broken: causeOf(lone) }
      const parts = async function* () {
        if (lone !== undefined) {
          yield Buffer.concat([Buffer.from(`put ${sequence} ${mark ?? '-'} ${lone.head}`), lone.bytes])
          onSent?.()
          return
        }
        let head: Buffer | undefined = Buffer.from(`apply ${sequence} ${mark ?? '-'} ${frame.sizeBytes}\n`)
        for await (const chunk of frame.chunks()) {
          yield head ? Buffer.concat([head, chunk]) : chunk
          head = undefined
        }
        onSent?.()
      }
      return ask<Applied>(parts, (answer) => {
        if (answer.kind === 'refused' && asked.has(answer.path)) refused.set(answer.path, answer.cause)
        if (answer.kind === 'broken') return { refused, broken: answer.cause }
        return answer.kind === 'applied' ? { refused } : undefined
      })
    },
    restart: (sequence, how, seconds, onStarted) =>
      ask<Started>(
        () => [Buffer.from(`restart ${sequence} ${Math.ceil(seconds)} ${how}\n`)],
        (answer) => {
          // A newer start overtakes this one, and answers for both.
          if (!isOfStart(answer) || answer.sequence < sequence) return undefined
          if (answer.kind === 'restarted') onStarted?.(answer.pid)
          if (answer.kind === 'ready') return { state: 'ready', pid: answer.pid }
          if (answer.kind === 'restarted') return undefined
          return { state: 'failed', cause: answer.cause, ...(answer.hasEnded && { hasEnded: true }) }
        },
      ),
    async hashes(paths) {
      const all = new Map<string, string>()
      for (let from = 0; from < paths.length; from += HASH_PATHS) {
        for (const [path, hash] of await hashChunk(paths.slice(from, from + HASH_PATHS))) all.set(path, hash)
      }
      return all
    },
    async ping() {
      const token = randomBytes(4).toString('hex')
      await ask(
        () => [Buffer.from(`ping ${token}\n`)],
        (answer) => (answer.kind === 'pong' && answer.token === token ? true : undefined),
      )
    },
  }
}

/** At once: it is small, and each wait for the thread pool would be one of the loop. */
function readLone({ path, file }: SendableFile, sent: Map<string, string>): { head: string; bytes: Buffer } | Error {
  try {
    const descriptor = openPlainSync(file.source as string)
    let bytes: Buffer
    try {
      bytes = readFileSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    sent.set(path, createHash('sha256').update(bytes).digest('hex'))
    const umask = (0o666 & ~file.mode).toString(8).padStart(4, '0')
    return { head: `${bytes.length} ${umask}\n${path}\0`, bytes }
  } catch (error) {
    return error as Error
  }
}

/** Everybody hears of a start who waits for one. */
function isOfStart(answer: Answer): answer is Extract<Answer, { kind: 'restarted' | 'ready' | 'failed' }> {
  return answer.kind === 'restarted' || answer.kind === 'ready' || answer.kind === 'failed'
}
