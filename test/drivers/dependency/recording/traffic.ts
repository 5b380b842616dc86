import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import type { PlayerAnswer, RawHeaders, RequestHead, Unmatched } from '../../../../src/drivers/dependency/exchange.ts'
import { openExchange } from '../../../../src/drivers/dependency/recording/open-exchange.ts'
import type { DependencySetting } from '../../../../src/engine/dependency-ports.ts'
import type { RecordingRules, RemoteMode, RemoteProtocol } from '../../../../src/plan/remote.ts'

/** One exchange as a test writes it. */
export interface Traffic {
  method?: string
  target: string
  headers?: RawHeaders
  body?: Buffer | string
  trailers?: RawHeaders
  upgrade?: string
  answer: {
    status?: number
    statusText?: string
    headers?: RawHeaders
    body?: Buffer | string
    trailers?: RawHeaders
  }
}

export interface Played {
  status: number
  statusText: string
  headers: RawHeaders
  body: Buffer
  trailers: RawHeaders
}

export interface RuleChoice {
  ignore?: Partial<RecordingRules['ignore']>
  redact?: Partial<RecordingRules['redact']>
  order?: RecordingRules['order']
}

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is gone after the test. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-recording-'))
  folders.push(folder)
  return folder
}

export function rulesOf({ ignore, redact, order }: RuleChoice = {}): RecordingRules {
  return {
    ignore: { query: [], headers: [], body: [], ...ignore },
    redact: { headers: [], cookies: [], body: [], patterns: [], ...redact },
    order: order ?? 'any',
  }
}

export function settingOf(
  file: string,
  mode: RemoteMode,
  rules: RuleChoice = {},
  more: { recordMissing?: boolean; protocol?: RemoteProtocol } = {},
): DependencySetting {
  return {
    name: 'billing',
    protocol: more.protocol ?? 'http',
    mode,
    access: { level: 'read_only', allow: [] },
    rules: {},
    recording: { file, rules: rulesOf(rules), recordMissing: more.recordMissing ?? false },
  }
}

export function requestHead({ method, target, headers, upgrade }: Omit<Traffic, 'answer'>): RequestHead {
  return {
    protocol: 'http',
    httpVersion: '1.1',
    method: method ?? 'GET',
    target,
    headers: headers ?? [],
    ...(upgrade !== undefined && { upgrade }),
    time: Date.now(),
  }
}

/** Lets traffic pass a recorder, one exchange after the other, in chunks. */
export async function record(file: string, traffic: readonly Traffic[], rules: RuleChoice = {}, chunk = 1000): Promise<void> {
  const exchange = await openExchange(settingOf(file, 'record', rules))
  for (const one of traffic) {
    const capture = exchange.recorder!.begin(requestHead(one))
    for (const part of chunksOf(one.body, chunk)) await capture.requestData(part)
    capture.requestEnd(one.trailers ?? [])
    const { status, statusText, headers, body, trailers } = one.answer
    capture.responseHead({ status: status ?? 200, statusText: statusText ?? 'OK', headers: headers ?? [] })
    for (const part of chunksOf(body, chunk)) await capture.responseData(part)
    capture.end(trailers ?? [])
  }
  await exchange.close()
}

/** Asks a recording, each request in turn. */
export async function replay(
  file: string,
  requests: readonly Omit<Traffic, 'answer'>[],
  rules: RuleChoice = {},
): Promise<(Played | Unmatched)[]> {
  const exchange = await openExchange(settingOf(file, 'replay', rules))
  const answers: (Played | Unmatched)[] = []
  for (const request of requests) {
    answers.push(
      await readAnswer(
        await exchange.player!.answer(requestHead(request), chunksFor(request.body), new AbortController().signal),
      ),
    )
  }
  await exchange.close()
  return answers
}

export async function readAnswer(answer: PlayerAnswer): Promise<Played | Unmatched> {
  if ('unmatched' in answer) return answer.unmatched
  const parts: Buffer[] = []
  for await (const part of answer.matched.body) parts.push(part)
  const { status, statusText, headers } = answer.matched.head
  return { status, statusText, headers, body: Buffer.concat(parts), trailers: answer.matched.trailers?.() ?? [] }
}

/** An answer that must have been found. */
export function played(answer: Played | Unmatched | undefined): Played {
  if (answer === undefined || !('status' in answer)) throw new Error(`nothing was played: ${JSON.stringify(answer)}`)
  return answer
}

/** A refusal that must have been given. */
export function unmatched(answer: Played | Unmatched | undefined): Unmatched {
  if (answer === undefined || 'status' in answer) throw new Error('something was played')
  return answer
}

/** All that a folder holds, file by file. */
export function contentsOf(folder: string): { path: string; bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ path, bytes: readFileSync(path) }))
}

export function header(headers: RawHeaders, name: string): string | undefined {
  const at = headers.findIndex((field, index) => index % 2 === 0 && field.toLowerCase() === name)
  return at < 0 ? undefined : headers[at + 1]
}

export async function* chunksFor(body: Buffer | string | undefined): AsyncGenerator<Buffer> {
  yield* chunksOf(body, 1000)
}

function chunksOf(body: Buffer | string | undefined, size: number): Buffer[] {
  const bytes = Buffer.from(body ?? '')
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
}
